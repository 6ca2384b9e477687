//! The values in which calls differ: rows of a CSV file, or a range of numbers.

use std::path::Path;

/// Rows at most: they are kept in memory.
const ROWS_MAX: usize = 1_000_000;
/// Columns at most.
const COLUMNS_MAX: usize = 100;
/// The largest file, in bytes: more than a million rows take.
const BYTES_MAX: u64 = 512 << 20;
/// Digits of a number at most: E.164 has 15, and prefixes go before them.
const DIGITS_MAX: usize = 24;

/// Rows with named columns. Call *n* of the schedule has row *n* modulo the number of rows.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    /// The names of the columns, which texts use as placeholders.
    pub columns: Vec<String>,
    /// The rows, each with a value for every column.
    pub rows: Vec<Vec<String>>,
}

impl Numbers {
    /// The row of a call.
    pub fn row_of(&self, attempt: u64) -> Option<usize> {
        let rows = self.rows.len() as u64;
        (rows > 0).then(|| (attempt % rows) as usize)
    }

    /// Reads a CSV file (RFC 4180) whose first record names the columns.
    ///
    /// # Errors
    /// The mistake, with its line.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let length = std::fs::metadata(path).map_err(|error| format!("{shown}: cannot be read: {error}"))?.len();
        if length > BYTES_MAX {
            return Err(format!("{shown}: {length} bytes is too large: the limit is {BYTES_MAX}"));
        }
        let reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path);
        let mut reader = reader.map_err(|error| format!("{shown}: cannot be read: {error}"))?;
        let headers = reader.headers().map_err(|error| format!("{shown}: {error}"))?;
        let columns: Vec<String> = headers.iter().map(str::to_owned).collect();
        check_columns(&columns).map_err(|message| format!("{shown}:1: {message}"))?;
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|error| format!("{shown}: {error}"))?;
            if rows.len() == ROWS_MAX {
                return Err(format!("{shown}: has more than {ROWS_MAX} rows"));
            }
            if let Some(bad) = record.iter().find(|value| value.contains(['\r', '\n', '\0'])) {
                let line = record.position().map_or(0, csv::Position::line);
                return Err(format!("{shown}:{line}: {bad:?} has a line break, which no ESL command can carry"));
            }
            rows.push(record.iter().map(str::to_owned).collect());
        }
        if rows.is_empty() {
            return Err(format!("{shown}: has no rows after the header"));
        }
        Ok(Self { columns, rows })
    }

    /// A range of `count` numbers, as the column `number`.
    ///
    /// # Errors
    /// A value that is not such a range.
    pub(super) fn range(from: &str, count: u64) -> Result<Self, String> {
        let digits = from.trim_start_matches(|c: char| !c.is_ascii_digit());
        let prefix = &from[..from.len() - digits.len()];
        if digits.is_empty() || digits.len() > DIGITS_MAX || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format!("{from:?} is not a number of 1 to {DIGITS_MAX} digits, such as \"15550001000\""));
        }
        if count == 0 || count > ROWS_MAX as u64 {
            return Err(format!("count = {count}: it must be from 1 to {ROWS_MAX}"));
        }
        let first: u128 = digits.parse().map_err(|_| format!("{from:?} is too large"))?;
        let width = digits.len();
        if (first + u128::from(count) - 1).to_string().len() > width {
            return Err(format!("{count} numbers from {from} on exceed its {width} digits"));
        }
        let row = |n| vec![format!("{prefix}{:0width$}", first + u128::from(n))];
        Ok(Self { columns: vec!["number".to_owned()], rows: (0..count).map(row).collect() })
    }
}

fn check_columns(columns: &[String]) -> Result<(), String> {
    if columns.is_empty() || columns.len() > COLUMNS_MAX {
        return Err(format!("{} columns: it must have from 1 to {COLUMNS_MAX}", columns.len()));
    }
    for (n, column) in columns.iter().enumerate() {
        let sound = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if column.is_empty() || !column.chars().all(sound) {
            return Err(format!("{column:?} cannot name a column: use letters, digits, \"_\" and \"-\""));
        }
        if crate::config::template::BUILT_IN.contains(&column.as_str()) {
            return Err(format!("a column cannot be named {column:?}: that is a built-in placeholder"));
        }
        if columns[..n].contains(column) {
            return Err(format!("two columns are named {column:?}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Result<Numbers, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("n.csv");
        std::fs::write(&path, text).unwrap();
        Numbers::read(&path)
    }

    #[test]
    fn a_file_s_rows_go_round() {
        let numbers = file("number, account\n100,\"a, b\"\n200,c\n").unwrap();
        assert_eq!(numbers.columns, ["number", "account"]);
        let row = |attempt| &numbers.rows[numbers.row_of(attempt).unwrap()];
        assert_eq!(row(0), &["100", "a, b"]);
        assert_eq!(row(3), &["200", "c"]);
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (text, words) in [
            ("number\n", "has no rows"),
            ("a,a\n1,2\n", "two columns are named \"a\""),
            ("a,uuid\n1,2\n", "cannot be named \"uuid\""),
            ("a b\n1\n", "cannot name a column"),
            ("a,b\n1\n", "found record with 1 fields"),
            ("a\n\"1\n2\"\n", "n.csv:2: \"1\\n2\" has a line break"),
        ] {
            let error = file(text).unwrap_err();
            assert!(error.contains(words), "{text:?}: {error}");
        }
        for (from, count, words) in
            [("", 1, "is not a number"), ("12x", 1, "is not a number"), ("99", 2, "its 2 digits")]
        {
            assert!(Numbers::range(from, count).unwrap_err().contains(words), "{from}");
        }
    }

    #[test]
    fn a_range_keeps_its_width_and_prefix() {
        assert_eq!(Numbers::range("+0098", 3).unwrap().rows, [["+0098"], ["+0099"], ["+0100"]]);
        assert_eq!(Numbers::range("98", 2).unwrap().rows, [["98"], ["99"]], "the last one there is");
    }
}

//! Rows of a report in the forms of `show`: lines with a separator, XML, JSON.

use std::fmt::Write;

use serde_json::{Map, Value, json};

/// The form that `as …` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Lines(String),
    Xml,
    Json,
}

/// What a report says: its columns, and a value for each of them in every row.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) columns: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Form {
    /// The name of a form with its separator; an error is the answer to a name that is unknown.
    pub(super) fn parse(name: Option<&str>, separator: Option<&str>) -> Result<Form, String> {
        match name.map(str::to_ascii_lowercase).as_deref() {
            None => Ok(Form::Lines(",".to_owned())),
            Some("delim" | "csv") => Ok(Form::Lines(separator.unwrap_or(",").to_owned())),
            Some("xml") => Ok(Form::Xml),
            Some("json") => Ok(Form::Json),
            Some(_) => Err(format!("-ERR Cannot find format {}\n", name.unwrap_or_default())),
        }
    }

    /// How many there are, and nothing else.
    pub(super) fn count(&self, count: usize) -> String {
        match self {
            Form::Lines(_) => format!("\n{count} total.\n"),
            Form::Xml => format!("<result row_count=\"{count}\"></result>\n"),
            Form::Json => json!({ "row_count": count, "rows": [] }).to_string(),
        }
    }
}

impl Table {
    pub(super) fn write(&self, form: &Form) -> String {
        match form {
            Form::Lines(separator) => self.lines(separator),
            Form::Xml if self.rows.is_empty() => "<result row_count=\"0\"/>\n".to_owned(),
            Form::Xml => self.xml(),
            Form::Json if self.rows.is_empty() => "{\"row_count\": 0}\n".to_owned(),
            Form::Json => self.json(),
        }
    }

    fn lines(&self, separator: &str) -> String {
        let mut out = String::new();
        if !self.rows.is_empty() {
            out = self.columns.join(separator) + "\n";
        }
        for row in &self.rows {
            out += &row.join(separator);
            out.push('\n');
        }
        // Writing to a String cannot fail.
        let _ = writeln!(out, "\n{} total.", self.rows.len());
        out
    }

    fn xml(&self) -> String {
        let mut out = format!("<result row_count=\"{}\">\n", self.rows.len());
        for (index, row) in self.rows.iter().enumerate() {
            let _ = writeln!(out, "  <row row_id=\"{}\">", index + 1);
            for (name, value) in self.columns.iter().zip(row) {
                let _ = writeln!(out, "    <{name}>{}</{name}>", xml_text(value));
            }
            out += "  </row>\n";
        }
        out + "</result>\n"
    }

    fn json(&self) -> String {
        let object = |row: &Vec<String>| {
            let fields = self.columns.iter().zip(row).map(|(name, value)| ((*name).to_owned(), Value::from(&**value)));
            Value::Object(fields.collect::<Map<_, _>>())
        };
        let rows: Vec<Value> = self.rows.iter().map(object).collect();
        json!({ "row_count": rows.len(), "rows": rows }).to_string()
    }
}

/// Text as it stands between two tags.
pub(super) fn xml_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '\r' => out += "&#xD;",
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form() {
        let table = Table { columns: vec!["a", "b"], rows: vec![vec!["1".into(), "<2>".into()]] };
        let form = |name, separator| Form::parse(Some(name), separator).expect(name);
        assert_eq!(table.write(&form("delim", Some("|"))), "a|b\n1|<2>\n\n1 total.\n");
        assert_eq!(table.write(&form("JSON", None)), r#"{"row_count":1,"rows":[{"a":"1","b":"<2>"}]}"#);
        let xml = "<result row_count=\"1\">\n  <row row_id=\"1\">\n    <a>1</a>\n    <b>&lt;2&gt;</b>\n  </row>\n\
                   </result>\n";
        assert_eq!(table.write(&form("xml", None)), xml);
        let none = Table { columns: vec!["a"], rows: Vec::new() };
        assert_eq!(none.write(&form("xml", None)), "<result row_count=\"0\"/>\n");
        assert_eq!(none.write(&form("csv", None)), "\n0 total.\n");
        assert_eq!(Form::parse(Some("yaml"), None), Err("-ERR Cannot find format yaml\n".to_owned()));
    }
}

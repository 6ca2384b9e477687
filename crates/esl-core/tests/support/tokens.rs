//! The tokens of Rust source: enough of the language to tell code from comments and literals.

/// The tokens of a source file, without its comments and literals. `::` is one token.
pub(super) struct Tokens<'a> {
    tokens: Vec<(&'a str, usize)>,
    next: usize,
    line: usize,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        let (mut tokens, mut rest, mut line) = (Vec::new(), source, 1);
        while let Some(first) = rest.chars().next() {
            let skipped = comment(rest).or_else(|| literal(rest));
            let length = match skipped {
                Some(length) => length,
                None if is_word(rest) => rest.find(|c| !is_word_char(c)).unwrap_or(rest.len()),
                None if rest.starts_with("::") => 2,
                None => first.len_utf8(),
            };
            let (text, after) = rest.split_at(length);
            if skipped.is_none() && !first.is_whitespace() {
                tokens.push((text, line));
            }
            line += text.matches('\n').count();
            rest = after;
        }
        Self { tokens, next: 0, line: 1 }
    }

    /// The line of the token that was taken last.
    pub(super) fn line(&self) -> usize {
        self.line
    }

    /// Takes the next token.
    pub(super) fn next(&mut self) -> Option<&'a str> {
        let (token, line) = *self.tokens.get(self.next)?;
        (self.next, self.line) = (self.next + 1, line);
        Some(token)
    }

    /// A token that comes, 0 for the next one; empty after the last one.
    pub(super) fn peek(&self, ahead: usize) -> &'a str {
        self.tokens.get(self.next + ahead).map_or("", |&(token, _)| token)
    }

    pub(super) fn are_next(&self, expected: &[&str]) -> bool {
        expected.iter().enumerate().all(|(ahead, token)| self.peek(ahead) == *token)
    }

    /// Skips an item up to the `;` that ends it or the brace that closes it.
    pub(super) fn skip_item(&mut self) {
        let mut depth = 0;
        while let Some(token) = self.next() {
            match token {
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => depth -= 1,
                _ => {}
            }
            if depth == 0 && matches!(token, ";" | "}") {
                return;
            }
        }
    }
}

fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

pub(super) fn is_word(text: &str) -> bool {
    text.starts_with(is_word_char)
}

/// The length of the comment that `text` begins with.
fn comment(text: &str) -> Option<usize> {
    let end = match text.get(..2)? {
        "//" => text.find('\n'),
        "/*" => text.find("*/").map(|end| end + 2),
        _ => return None,
    };
    Some(end.unwrap_or(text.len()))
}

/// The length of the string or character that `text` begins with; of a lifetime, that of its quote.
fn literal(text: &str) -> Option<usize> {
    for raw in ["r", "br", "cr"].iter().filter_map(|prefix| text.strip_prefix(prefix)) {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if let Some(body) = raw[hashes..].strip_prefix('"') {
            let end = format!("\"{}", &raw[..hashes]);
            return Some(text.len() - body.split_once(&end).map_or(0, |(_, after)| after.len()));
        }
    }
    let quote = text.chars().next().filter(|first| matches!(first, '"' | '\''))?;
    let mut inside = text[1..].chars();
    if quote == '\'' && inside.next() != Some('\\') && inside.next() != Some('\'') {
        return Some(1);
    }
    let mut is_escaped = false;
    let end = text[1..].find(|c| {
        let is_end = c == quote && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        is_end
    });
    Some(end.map_or(text.len(), |end| end + 2))
}

//! A forgiving tokenizer. The real one is `starlark_syntax`'s; this one never fails, so that habits and limits can be
//! looked for in files that do not parse, and type annotations can be rewritten before parsing.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A name or keyword.
    Name,
    /// A number.
    Number,
    /// A whole string literal that is not an f-string.
    Str,
    /// Opening quotes of an f-string.
    FStrStart,
    /// Closing quotes of an f-string.
    FStrEnd,
    /// `{` or `}` around an expression in an f-string.
    Hole,
    /// `:` and the format specification in a hole.
    FormatSpec,
    /// An operator or bracket.
    Op,
    /// End of a logical line (not inside brackets).
    Newline,
}

/// A token: its kind, text and byte offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'s> {
    /// Kind.
    pub kind: Kind,
    /// Text in the source.
    pub text: &'s str,
    /// Byte offset.
    pub start: usize,
}

impl Token<'_> {
    /// Whether it is this operator.
    pub fn is_op(&self, text: &str) -> bool {
        self.kind == Kind::Op && self.text == text
    }

    /// Whether it is this name.
    pub fn is_name(&self, text: &str) -> bool {
        self.kind == Kind::Name && self.text == text
    }
}

/// Three and two character operators; everything else is one character.
const OPERATORS: [&str; 28] = [
    "**=", "//=", ">>=", "<<=", "...", "**", "//", "==", "!=", "<=", ">=", "->", ":=", "+=", "-=", "*=", "/=", "%=",
    "&=", "|=", "^=", "<<", ">>", "&&", "||", "++", "--", "<>",
];

/// All tokens of a text; comments and blank lines are left out.
pub fn tokenize(source: &str) -> Vec<Token<'_>> {
    let mut scanner = Scanner { source, at: 0, tokens: Vec::new(), brackets: 0, holes: Vec::new() };
    while scanner.at < source.len() {
        scanner.step();
    }
    scanner.push(Kind::Newline, source.len(), source.len());
    scanner.tokens
}

/// An open f-string: its quotes, and the bracket depth outside the hole being read.
struct Hole<'s> {
    quotes: &'s str,
    raw: bool,
    outside: usize,
}

struct Scanner<'s> {
    source: &'s str,
    at: usize,
    tokens: Vec<Token<'s>>,
    brackets: usize,
    holes: Vec<Hole<'s>>,
}

impl<'s> Scanner<'s> {
    fn push(&mut self, kind: Kind, start: usize, end: usize) {
        self.tokens.push(Token { kind, text: &self.source[start..end], start });
        self.at = end;
    }

    fn rest(&self) -> &'s str {
        &self.source[self.at..]
    }

    fn step(&mut self) {
        let rest = self.rest();
        let Some(c) = rest.chars().next() else { return };
        let start = self.at;
        match c {
            '\n' if self.brackets == 0 && self.holes.is_empty() => {
                if self.tokens.last().is_some_and(|t| t.kind != Kind::Newline) {
                    self.push(Kind::Newline, start, start + 1);
                }
                self.at = start + 1;
            }
            '\\' if rest.starts_with("\\\n") => self.at += 2,
            '\\' if rest.starts_with("\\\r\n") => self.at += 3,
            c if c.is_whitespace() => self.at += c.len_utf8(),
            '#' => self.at += rest.find('\n').unwrap_or(rest.len()),
            c if c.is_ascii_digit() || (c == '.' && rest[1..].starts_with(|d: char| d.is_ascii_digit())) => {
                let end = rest.find(|d: char| !(d.is_ascii_alphanumeric() || d == '.')).unwrap_or(rest.len());
                self.push(Kind::Number, start, start + end);
            }
            c if c.is_alphabetic() || c == '_' => {
                let end = rest.find(|d: char| !(d.is_alphanumeric() || d == '_')).unwrap_or(rest.len());
                let prefix = &rest[..end];
                let quoted = rest[end..].starts_with(['"', '\'']);
                if quoted && matches!(prefix, "f" | "F" | "fr" | "rf" | "r" | "b" | "br" | "rb" | "u") {
                    self.string(start, end, prefix);
                } else {
                    self.push(Kind::Name, start, start + end);
                }
            }
            '"' | '\'' => self.string(start, 0, ""),
            _ => self.operator(c, rest),
        }
    }

    fn operator(&mut self, c: char, rest: &'s str) {
        let start = self.at;
        if let Some(hole) = self.holes.last()
            && self.brackets == hole.outside + 1
        {
            if c == '}' {
                self.push(Kind::Hole, start, start + 1);
                self.brackets -= 1;
                self.f_text();
                return;
            }
            if c == ':' && !rest.starts_with(":=") {
                let end = rest.find(['}', '\n', '"', '\'']).unwrap_or(rest.len());
                self.push(Kind::FormatSpec, start, start + end);
                return;
            }
        }
        match c {
            '(' | '[' | '{' => self.brackets += 1,
            ')' | ']' | '}' => self.brackets = self.brackets.saturating_sub(1),
            _ => {}
        }
        let length = OPERATORS.iter().find(|o| rest.starts_with(**o)).map_or(c.len_utf8(), |o| o.len());
        self.push(Kind::Op, start, start + length);
    }

    fn string(&mut self, start: usize, prefix: usize, letters: &str) {
        let rest = &self.source[start + prefix..];
        let quote = &rest[..1];
        let triple = rest.starts_with(if quote == "\"" { "\"\"\"" } else { "'''" });
        let quotes = if triple { &rest[..3] } else { quote };
        let raw = letters.contains('r');
        if letters.contains(['f', 'F']) {
            self.push(Kind::FStrStart, start, start + prefix + quotes.len());
            self.holes.push(Hole { quotes, raw, outside: self.brackets });
            self.f_text();
            return;
        }
        let mut at = start + prefix + quotes.len();
        loop {
            let rest = &self.source[at..];
            if rest.starts_with(quotes) {
                at += quotes.len();
                break;
            }
            match rest.chars().next() {
                None => break,
                Some('\n') if !triple => break,
                Some('\\') => at += 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
                Some(c) => at += c.len_utf8(),
            }
        }
        self.push(Kind::Str, start, at);
    }

    /// Skip the text of the innermost f-string up to its next hole or its end.
    fn f_text(&mut self) {
        let Some(Hole { quotes, raw, outside }) = self.holes.last() else { return };
        let (quotes, raw, outside) = (*quotes, *raw, *outside);
        loop {
            let rest = self.rest();
            if rest.starts_with(quotes) {
                let start = self.at;
                self.holes.pop();
                self.push(Kind::FStrEnd, start, start + quotes.len());
                return;
            }
            match rest.chars().next() {
                None => {
                    self.holes.pop();
                    return;
                }
                Some('\n') if quotes.len() == 1 => {
                    self.holes.pop();
                    return;
                }
                Some('{') if rest.starts_with("{{") => self.at += 2,
                Some('{') => {
                    let start = self.at;
                    self.push(Kind::Hole, start, start + 1);
                    self.brackets = outside + 1;
                    return;
                }
                Some('\\') if !raw => self.at += 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
                Some(c) => self.at += c.len_utf8(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expected: &str) {
        let words: Vec<&str> = tokenize(source).iter().filter(|t| t.kind != Kind::Newline).map(|t| t.text).collect();
        assert_eq!(words.join(" "), expected, "{source}");
    }

    #[test]
    fn splits() {
        check("a**b != 1.5 # c\n\nx", "a ** b != 1.5 x");
        check("f(\n 'a\\'b', \"\"\"x\n\"y\"\"\"\n)", "f ( 'a\\'b' , \"\"\"x\n\"y\"\"\" )");
        check("f\"a {x.y:>4} b {f'{z}'}\" + 1", "f\" { x . y :>4 } { f' { z } ' } \" + 1");
        check("f\"{{no}} {d[\"k\"]}\"", "f\" { d [ \"k\" ] } \"");
        check("'open\nnext", "'open next");
        check("f'{open\nnext", "f' { open next");
        check("é = ß", "é = ß");
    }
}

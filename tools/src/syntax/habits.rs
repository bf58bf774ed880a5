//! Python habits that the parser refuses with bare messages. Each rule names what to write instead. Habits that do
//! parse (`str(x)`, tuples, `xs.sort()`) are met by the checker.

use super::lines::{Diagnostics, Lines};
use super::tokens::{Kind, Token};

/// Statements Python has and suites do not: (keyword, message, hint).
const STATEMENTS: [(&str, &str, &str); 19] = [
    (
        "while",
        "there is no `while`",
        "loop over a table, a list or `range(a, b)` and leave with `break`, so that every tool ends",
    ),
    (
        "try",
        "there are no exceptions to catch",
        "test first: `x = member.find(key)` and `if x == None:`, or `require(condition, \"code\", \"message\")`",
    ),
    ("except", "there are no exceptions to catch", "test first with `find` or `require`"),
    ("finally", "there are no exceptions to catch", "remove it; a failed call undoes its writes by itself"),
    (
        "raise",
        "there is no `raise`",
        "write `fail(\"code\", \"message\")` or `require(condition, \"code\", \"message\")`",
    ),
    ("class", "there are no classes", "declare rows with `table(...)` and values with `record(...)`"),
    ("import", "there are no imports", "everything a suite can use is predeclared; remove the line"),
    ("from", "there are no imports", "everything a suite can use is predeclared; remove the line"),
    (
        "global",
        "there are no global variables",
        "state lives in tables: declare a table, or a `parameter` for a constant",
    ),
    ("nonlocal", "there are no nested functions", "pass the value as a parameter and return the result"),
    ("del", "there is no `del`", "delete a row with `table.delete(row)`; build a new list with a comprehension"),
    ("assert", "there is no `assert`", "write `require(condition, \"code\", \"message\")`"),
    ("with", "there is no `with`", "remove it; a call is already all or nothing"),
    ("async", "functions are not asynchronous", "remove `async`"),
    ("await", "functions are not asynchronous", "remove `await`"),
    ("yield", "there are no generators", "collect the values in a list and return it"),
    ("switch", "there is no `switch`", "write `if`/`elif`/`else`"),
    ("const", "there is no `const`", "write `NAME = value` at the top of the file"),
    ("function", "there is no `function`", "write `def name(parameter: type) -> type:`"),
];

/// Report each habit found.
pub fn check(tokens: &[Token<'_>], lines: &Lines, diagnostics: &mut Diagnostics) {
    let mut walk = Walk { lines, diagnostics, open: vec![Bracket::default()], skip: false };
    for (i, token) in tokens.iter().enumerate() {
        let previous = i.checked_sub(1).and_then(|p| tokens.get(p)).copied();
        let next = tokens.get(i + 1).copied();
        walk.step(*token, previous, next);
    }
}

/// What is known about the innermost open bracket (or the statement).
#[derive(Default)]
struct Bracket {
    text: &'static str,
    /// A comparison stands in the present operand of `and`, `or`, `,`.
    compared: bool,
    /// The next `in` belongs to a `for`.
    for_in: bool,
    /// A `:` was seen (a dict, not a set).
    colon: bool,
    /// Something was seen.
    filled: bool,
}

struct Walk<'a> {
    lines: &'a Lines,
    diagnostics: &'a mut Diagnostics,
    open: Vec<Bracket>,
    /// The rest of this line belongs to a statement already reported.
    skip: bool,
}

impl Walk<'_> {
    fn report(&mut self, token: Token<'_>, message: impl Into<String>, hint: impl Into<String>) {
        let span = self.lines.span(token.start);
        self.diagnostics.report(span, message, hint);
    }

    fn step(&mut self, token: Token<'_>, previous: Option<Token<'_>>, next: Option<Token<'_>>) {
        let starts = previous.is_none_or(|p| p.kind == Kind::Newline || p.is_op(";"));
        match token.kind {
            Kind::Newline => {
                self.open = vec![Bracket::default()];
                self.skip = false;
                return;
            }
            _ if self.skip => {}
            Kind::Name => self.name(token, previous, next, starts),
            Kind::Op => self.operator(token, previous, next, starts),
            Kind::Hole if token.text == "{" => self.open.push(Bracket { text: "hole", ..Bracket::default() }),
            Kind::Hole => {
                self.pop();
            }
            Kind::FormatSpec => self.report(
                token,
                format!("f-strings take no format specification `{}`", token.text),
                "write `{x}` alone: money prints as 12.50, dates as 2026-03-01",
            ),
            Kind::Str | Kind::FStrStart if previous.is_some_and(|p| matches!(p.kind, Kind::Str | Kind::FStrEnd)) => {
                self.report(token, "strings side by side are not joined", "put `+` between them, or use one string");
            }
            Kind::Number
                if next.is_some_and(|n| {
                    n.kind == Kind::Name && n.text.starts_with('_') && n.start == token.start + token.text.len()
                }) =>
            {
                self.report(token, "numbers take no `_` between digits", "write the digits together");
            }
            _ => {}
        }
        if let Some(bracket) = self.open.last_mut()
            && !matches!(token.text, "{" | "(" | "[")
        {
            bracket.filled = true;
        }
    }

    fn name(&mut self, token: Token<'_>, previous: Option<Token<'_>>, next: Option<Token<'_>>, starts: bool) {
        let argument = next.is_some_and(|n| n.kind == Kind::Op && matches!(n.text, "=" | "." | "," | ")" | "("));
        if previous.is_some_and(|p| p.is_op(".")) {
            return;
        }
        if starts
            && let Some((_, message, hint)) = STATEMENTS.iter().find(|(keyword, _, _)| *keyword == token.text)
            && (!matches!(token.text, "switch" | "const" | "function") || next.is_some_and(|n| n.kind == Kind::Name))
            && !next.is_some_and(|n| n.is_op("="))
        {
            self.skip = true;
            self.report(token, *message, *hint);
            return;
        }
        if starts && token.text == "match" && next.is_some_and(|n| n.kind == Kind::Name) {
            self.report(token, "there is no `match`", "write `if`/`elif`/`else`");
        }
        let Some(bracket) = self.open.last_mut() else { return };
        match token.text {
            "load" if !next.is_some_and(|n| n.is_op("(")) => {
                self.report(
                    token,
                    "`load` is a keyword",
                    "it stands in `load(\"module.star\", \"name\")`; use another name",
                );
            }
            "is" => {
                let not = next.is_some_and(|n| n.is_name("not"));
                let (written, instead) = if not { ("is not", "!=") } else { ("is", "==") };
                self.report(
                    token,
                    format!("there is no `{written}`"),
                    format!("write `{instead}`, as in `x {instead} None`"),
                );
            }
            "yield" | "await" | "async" if !argument => {
                let (_, message, hint) = STATEMENTS.iter().find(|s| s.0 == token.text).unwrap_or(&STATEMENTS[15]);
                self.report(token, *message, *hint);
            }
            "for" => {
                bracket.compared = false;
                bracket.for_in = true;
                if bracket.text == "(" {
                    self.report(
                        token,
                        "there are no generator expressions",
                        "write a list comprehension in square brackets: `sum([x.price for x in xs])`",
                    );
                }
            }
            "in" if bracket.for_in => bracket.for_in = false,
            "in" => self.comparison(token),
            "and" | "or" | "if" | "else" | "return" | "elif" | "lambda" => {
                bracket.compared = false;
                if token.text == "else" && next.is_some_and(|n| n.is_name("if")) && starts {
                    self.report(token, "there is no `else if`", "write `elif`");
                }
            }
            "import" | "global" | "nonlocal" | "del" | "assert" | "raise" | "except" | "class" | "with" | "from"
            | "as" | "try" | "while" | "finally" => {
                self.report(
                    token,
                    format!("`{}` is a reserved word and cannot be a name", token.text),
                    format!("choose another name, for example `{}_value`", token.text),
                );
            }
            "null" | "nil" | "undefined" if !argument => {
                self.report(token, format!("there is no `{}`", token.text), "write `None`");
            }
            "true" | "false" if !argument => {
                let right = if token.text == "true" { "True" } else { "False" };
                self.report(token, format!("there is no `{}`", token.text), format!("write `{right}`"));
            }
            _ => {}
        }
    }

    fn operator(&mut self, token: Token<'_>, previous: Option<Token<'_>>, next: Option<Token<'_>>, starts: bool) {
        let operand_before = previous.is_some_and(|p| {
            (p.kind == Kind::Name && !is_keyword(p.text))
                || matches!(p.kind, Kind::Number | Kind::Str | Kind::FStrEnd)
                || (p.kind == Kind::Op && matches!(p.text, ")" | "]" | "}"))
        });
        match token.text {
            "@" if starts => {
                self.report(token, "there are no decorators", "declare the tool after its function: `tool(name, ...)`");
            }
            "**" | "**=" if operand_before => {
                self.report(token, "there is no power operator `**`", "multiply: `x * x`");
            }
            ":=" => self.report(token, "there is no `:=`", "assign on a line of its own first"),
            "&&" | "||" => {
                let word = if token.text == "&&" { "and" } else { "or" };
                self.report(token, format!("there is no `{}`", token.text), format!("write `{word}`"));
                self.clear();
            }
            "<>" => self.report(token, "there is no `<>`", "write `!=`"),
            "++" | "--" if operand_before && next.is_none_or(|n| n.kind == Kind::Newline) => {
                self.report(token, format!("there is no `{}`", token.text), format!("write `{}= 1`", &token.text[..1]));
            }
            "!" if !operand_before => self.report(token, "there is no `!`", "write `not`"),
            "?" => self.report(token, "there is no `?:`", "write `a if condition else b`"),
            "$" => self.report(token, "`$` means nothing here", ""),
            "*" if previous.is_some_and(|p| p.is_op("["))
                || (self.top() == "[" && previous.is_some_and(|p| p.is_op(","))) =>
            {
                self.report(token, "a list cannot be unpacked with `*`", "join lists with `+`");
            }
            "==" | "!=" | "<" | "<=" | ">" | ">=" => self.comparison(token),
            "," | "=" | "+=" | "-=" | "*=" | "/=" | "//=" | "%=" => {
                if token.text == "," && self.top() == "{" && self.open.last().is_some_and(|b| !b.colon && b.filled) {
                    self.report(token, "there are no sets", "use a list, and test with `in`");
                    if let Some(bracket) = self.open.last_mut() {
                        bracket.colon = true;
                    }
                }
                self.clear();
            }
            ":" => {
                if let Some(bracket) = self.open.last_mut() {
                    bracket.colon = true;
                }
                self.clear();
            }
            "(" => self.open.push(Bracket { text: "(", ..Bracket::default() }),
            "[" => self.open.push(Bracket { text: "[", ..Bracket::default() }),
            "{" => self.open.push(Bracket { text: "{", ..Bracket::default() }),
            ")" | "]" => {
                self.pop();
            }
            "}" => {
                if self.open.last().is_some_and(|b| b.text == "{" && !b.colon && b.filled) {
                    self.report(token, "there are no sets", "use a list, and test with `in`");
                }
                self.pop();
            }
            _ => {}
        }
    }

    fn top(&self) -> &'static str {
        self.open.last().map_or("", |b| b.text)
    }

    fn pop(&mut self) {
        if self.open.len() > 1 {
            self.open.pop();
        }
        if let Some(bracket) = self.open.last_mut() {
            bracket.filled = true;
        }
    }

    fn clear(&mut self) {
        if let Some(bracket) = self.open.last_mut() {
            bracket.compared = false;
        }
    }

    fn comparison(&mut self, token: Token<'_>) {
        let Some(bracket) = self.open.last_mut() else { return };
        if bracket.compared {
            self.report(token, "comparisons cannot be chained", "join two comparisons with `and`: `a <= x and x <= b`");
        } else {
            bracket.compared = true;
        }
    }
}

fn is_keyword(word: &str) -> bool {
    matches!(word, "if" | "elif" | "else" | "and" | "or" | "not" | "in" | "is" | "for" | "return" | "lambda")
}

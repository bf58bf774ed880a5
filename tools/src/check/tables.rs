//! `table(...)`: keys, columns and phrases. Column sources are in `columns.rs`.

use super::arguments::Arguments;
use super::columns::Made;
use super::{Checked, Checker, Declaration, names};
use crate::suite::{Column, KeyStyle, Source, Table};
use crate::types::{TableId, Type};
use starlark_syntax::syntax::ast::AstExpr;

/// Most rows of a table in a world of default size.
const ROWS_MAX: i64 = 5000;
/// Most tables, and most columns of one.
const TABLES_MAX: usize = 48;
const COLUMNS_MAX: usize = 48;

/// A derived column: its table, index and lambda.
pub(super) type DerivedColumn<'a> = (TableId, usize, &'a AstExpr);

impl Checker<'_> {
    /// Build all tables; gives the derived columns, whose expressions need all tables.
    pub(super) fn tables<'a>(&mut self, declared: &[Declaration<'a>]) -> Vec<DerivedColumn<'a>> {
        if let Some(extra) = declared.get(TABLES_MAX) {
            self.enter_file(extra.file);
            self.report(extra.value.span, format!("a suite has at most {TABLES_MAX} tables"), "split the suite");
        }
        // Names first, so that references may point forward.
        for Declaration { file, name, value: expr } in declared {
            self.enter_file(*file);
            let span = self.place(expr.span);
            self.suite.tables.push(Table {
                name: name.clone(),
                label: name.replace('_', " "),
                plural: plural(&name.replace('_', " ")),
                called: String::new(),
                key: KeyStyle { prefix: String::new(), separator: "-".into(), width: 4 },
                rows: (1, 1),
                columns: vec![Column {
                    name: "id".into(),
                    ty: Type::Int,
                    label: format!("{} id", name.replace('_', " ")),
                    says: String::new(),
                    case_says: Vec::new(),
                    source: Source::Key,
                    unique: true,
                    span,
                }],
                span,
            });
        }
        let mut derived = Vec::new();
        for (id, Declaration { file, name, value: expr }) in declared.iter().enumerate() {
            self.enter_file(*file);
            self.suite.tables[id].columns[0].ty = Type::Key(id);
            if let Some((message, hint)) = names::snake_fault("table", name) {
                self.report(expr.span, message, hint);
            }
            let Some(arguments) = self.call(expr) else { continue };
            self.table(id, name, arguments, &mut derived);
        }
        for (id, Declaration { file, value: expr, .. }) in declared.iter().enumerate() {
            self.enter_file(*file);
            self.table_phrases(id, expr);
            self.column_sources(id);
        }
        derived
    }

    fn table<'a>(
        &mut self,
        id: TableId,
        name: &str,
        mut arguments: Arguments<'a>,
        derived: &mut Vec<DerivedColumn<'a>>,
    ) {
        if let Some(first) = arguments.positional.first().copied()
            && let Some(text) = super::places::string(first)
        {
            if text != name {
                let hint = format!("write `{name} = table(\"{name}\", ...)`");
                self.report(first.span, format!("the table `{text}` is bound to the name `{name}`"), hint);
            }
            arguments.next();
        }
        let mut key = false;
        while let Some(part) = arguments.next() {
            match super::called_name(part) {
                Some("key") => {
                    key = true;
                    let _ = self.key_style(id, part);
                }
                Some("rows") => {
                    let _ = self.rows(id, part);
                }
                _ => {
                    let hint = "after the name come `key(\"M\", 4)`, `rows(30, 60)`, then `column = source`";
                    self.report(part.span, "this is no part of a table", hint);
                }
            }
        }
        if !key {
            let hint = "say how keys look: `key(\"M\", 4)` makes M-0001";
            self.report(arguments.span, format!("the table `{name}` has no key"), hint);
        }
        for field in ["label", "plural", "called"] {
            let Some(value) = arguments.take(field) else { continue };
            if super::called_name(value).is_some() {
                let hint = format!("call the column otherwise, for example `{field}_text`");
                self.report(value.span, format!("`{field}` describes the table and cannot be a column"), hint);
                continue;
            }
            let Ok(text) = self.text(value, &format!("`{field}`")) else { continue };
            let table = &mut self.suite.tables[id];
            match field {
                "label" => {
                    table.plural = plural(&text);
                    table.columns[0].label = format!("{text} id");
                    table.label = text;
                }
                "plural" => table.plural = text,
                _ => table.called = text,
            }
        }
        for column in &arguments.named {
            let fault = match column.name {
                "id" => Some(("`id` is the key column".to_owned(), "remove it; `key(...)` declares it".to_owned())),
                "money" | "date" => None,
                name => names::snake_fault("column", name),
            };
            if let Some((message, hint)) = fault {
                self.report(column.span, message, hint);
                continue;
            }
            let index = self.suite.tables[id].columns.len();
            if index == COLUMNS_MAX {
                self.report(column.span, format!("a table has at most {COLUMNS_MAX} columns"), "split the table");
                return;
            }
            let made = self.column_source(id, column.name, column.value);
            if made.is_err() {
                self.broken.insert((id, index));
            }
            let made = made.unwrap_or_else(|_| Made::broken());
            if let Some(lambda) = made.derived {
                self.pending.insert((id, index));
                derived.push((id, index, lambda));
            }
            let span = self.place(column.span);
            self.suite.tables[id].columns.push(Column {
                name: column.name.to_owned(),
                ty: made.ty,
                label: made.label.unwrap_or_else(|| column.name.replace('_', " ")),
                says: made.says,
                case_says: made.case_says,
                source: made.source,
                unique: made.unique,
                span,
            });
        }
        if self.suite.tables[id].columns.len() < 2 {
            self.report(arguments.span, format!("the table `{name}` has no columns"), "write `name = person_name()`");
        }
    }

    fn key_style(&mut self, id: TableId, part: &AstExpr) -> Checked<()> {
        let Some(mut arguments) = self.call(part) else { return Ok(()) };
        let Some(prefix) = arguments.either("prefix") else {
            return Err(self.report(part.span, "`key` needs a prefix", "write `key(\"M\", 4)`"));
        };
        let width = arguments.either("width");
        let separator = arguments.take("separator");
        self.no_more(&arguments, &["prefix", "width", "separator"]);
        let text = self.text(prefix, "the prefix of a key")?;
        if text.is_empty() || text.len() > 8 || !text.chars().all(|c| c.is_ascii_alphabetic()) {
            return Err(self.report(prefix.span, format!("`{text}` cannot start a key"), "write one to eight letters"));
        }
        let taken = self.suite.tables.iter().position(|t| t.key.prefix == text);
        if let Some(other) = taken.filter(|other| *other != id) {
            let message = format!("the key prefix `{text}` belongs to `{}`", self.suite.tables[other].name);
            self.report(prefix.span, message, "keys of two tables must look different: choose another prefix");
        }
        let width = width.map_or(Ok(4), |w| self.whole(w, "the number of digits", 1, 9))?;
        let separator = match separator {
            None => "-".to_owned(),
            Some(expr) => {
                let text = self.text(expr, "`separator`")?;
                if !matches!(text.as_str(), "" | "-" | "_") {
                    return Err(self.report(expr.span, "`separator` is \"-\", \"_\" or \"\"", ""));
                }
                text
            }
        };
        self.suite.tables[id].key = KeyStyle { prefix: text, separator, width: width as u32 };
        Ok(())
    }

    fn rows(&mut self, id: TableId, part: &AstExpr) -> Checked<()> {
        let Some(mut arguments) = self.call(part) else { return Ok(()) };
        let (Some(low), Some(high)) = (arguments.next(), arguments.next()) else {
            return Err(self.report(part.span, "`rows` needs two numbers", "write `rows(30, 60)`"));
        };
        self.no_more(&arguments, &[]);
        let least = self.whole(low, "the least number of rows", 1, ROWS_MAX)?;
        let most = self.whole(high, "the greatest number of rows", 1, ROWS_MAX)?;
        if most < least {
            return Err(self.report(part.span, "`rows` counts down", format!("write `rows({most}, {least})`")));
        }
        self.suite.tables[id].rows = (least as u32, most as u32);
        Ok(())
    }

    /// `called`: its placeholders are columns, and references in it end.
    fn table_phrases(&mut self, id: TableId, expr: &AstExpr) {
        let table = &self.suite.tables[id];
        if table.called.is_empty() {
            return;
        }
        let called = table.called.clone();
        let name = table.name.clone();
        let known: Vec<String> = table.columns.iter().map(|c| c.name.clone()).collect();
        for word in self.placeholders(&called, expr.span, &format!("column of `{name}`"), &known) {
            let Some(column) = self.suite.tables[id].columns.iter().find(|c| c.name == word) else { continue };
            match (&column.ty, &column.source) {
                (Type::Option(_), _) => {
                    let hint = "use columns that always have a value";
                    self.report(expr.span, format!("`called` uses `{{{word}}}`, which may be None"), hint);
                }
                (_, Source::Reference { table: to }) => {
                    let to = *to;
                    if self.suite.tables[to].called.is_empty() {
                        let other = self.suite.tables[to].name.clone();
                        let hint = format!("give `{other}` a `called`, or leave `{{{word}}}` out");
                        self.report(
                            expr.span,
                            format!("`called` uses `{{{word}}}`, and a `{other}` is not called anything"),
                            hint,
                        );
                    }
                }
                _ => {}
            }
        }
        if self.calls_itself(id) {
            let hint = "leave out the reference that leads back";
            self.report(expr.span, format!("`called` of `{name}` leads back to itself"), hint);
        }
    }

    /// Whether expanding `called` of a table meets the table again.
    fn calls_itself(&self, target: TableId) -> bool {
        let mut met: Vec<TableId> = Vec::new();
        let mut todo = vec![target];
        while let Some(id) = todo.pop() {
            let table = &self.suite.tables[id];
            for column in table.columns.iter().filter(|c| table.called.contains(&format!("{{{}}}", c.name))) {
                let Source::Reference { table: to } = column.source else { continue };
                if to == target {
                    return true;
                }
                if !met.contains(&to) {
                    met.push(to);
                    todo.push(to);
                }
            }
        }
        false
    }
}

/// English plural of a noun phrase, by its last letters.
fn plural(noun: &str) -> String {
    let consonant = |c: char| !matches!(c, 'a' | 'e' | 'i' | 'o' | 'u');
    if let Some(stem) = noun.strip_suffix('y')
        && stem.ends_with(consonant)
    {
        return format!("{stem}ies");
    }
    if noun.ends_with(['s', 'x', 'z']) || noun.ends_with("ch") || noun.ends_with("sh") {
        return format!("{noun}es");
    }
    format!("{noun}s")
}

#[cfg(test)]
mod tests {
    #[test]
    fn plurals() {
        for (one, many) in
            [("loan", "loans"), ("city", "cities"), ("day", "days"), ("box", "boxes"), ("batch", "batches")]
        {
            assert_eq!(super::plural(one), many);
        }
    }
}

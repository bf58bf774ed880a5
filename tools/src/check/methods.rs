//! What stands after a dot: columns, fields, methods of tables, texts and lists.

use super::arguments::Arguments;
use super::body::Body;
use super::{Checked, Item, names, places};
use crate::syntax::Reported;
use crate::tree::{Expr, ExprKind, Literal};
use crate::types::{TableId, Type};
use starlark_syntax::codemap::Spanned;
use starlark_syntax::syntax::ast::{AstExpr, AstNoPayload, CallArgsP};

impl Body<'_, '_> {
    /// The table an expression names, unless a variable hides it.
    pub(super) fn table_of(&self, expr: &AstExpr) -> Option<TableId> {
        let name = places::identifier(expr)?;
        match self.c.items.get(name) {
            Some(Item::Table(id)) if self.lookup(name).is_none() => Some(*id),
            _ => None,
        }
    }

    /// `object.field`.
    pub(super) fn dot(&mut self, expr: &AstExpr, object: &AstExpr, field: &Spanned<String>) -> Checked<Expr> {
        let span = self.at(expr.span);
        let name = field.node.as_str();
        if let Some(table) = self.table_of(object) {
            let table_name = self.c.suite.tables[table].name.clone();
            let hint = match name {
                "get" | "find" | "insert" | "delete" => format!("call it: `{table_name}.{name}(...)`"),
                _ => format!("take a row first: `{table_name}.get(key).{name}`"),
            };
            return Err(self.report(expr.span, format!("the table `{table_name}` is not one row"), hint));
        }
        if let Some(Item::Enum(_)) = places::identifier(object).and_then(|n| self.c.items.get(n)) {
            let hint = format!("write the value as a text: `\"{}\"`", name.to_lowercase());
            return Err(self.report(expr.span, "enum values are written as texts", hint));
        }
        let object_span = object.span;
        let object = self.infer(object, None)?;
        match &object.ty {
            Type::Row(table) => {
                let table = *table;
                if matches!(name, "delete" | "remove" | "update" | "save") {
                    let table = self.c.suite.tables[table].name.clone();
                    let hint = format!("write `{table}.delete(row)` or `row.column = value`");
                    return Err(self.report(field.span, format!("rows have no method `{name}`"), hint));
                }
                let column = self.c.column(table, name, field.span)?;
                let ty = self.c.column_type(table, column, field.span)?;
                Ok(Expr { ty, kind: ExprKind::Column { row: Box::new(object), table, column }, span })
            }
            Type::Record(id) => {
                let record = &self.c.suite.records[*id];
                if let Some(index) = record.fields.iter().position(|f| f.0 == name) {
                    let ty = record.fields[index].1.clone();
                    return Ok(Expr { ty, kind: ExprKind::Field { record: Box::new(object), field: index }, span });
                }
                if self.c.broken_records.contains(id) {
                    return Err(Reported);
                }
                let hint = names::did_you_mean(name, record.fields.iter().map(|f| f.0.as_str()));
                let message = format!("the record `{}` has no field `{name}`", record.name);
                Err(self.report(field.span, message, hint))
            }
            Type::Key(table) => {
                let table = &self.c.suite.tables[*table].name;
                let message = format!("this is the key of a {table}, not its row");
                let hint = format!("write `{table}.get(...).{name}`");
                Err(self.report(field.span, message, hint))
            }
            Type::Option(_) => {
                let message = format!("this is {} and may be None", self.c.type_name(&object.ty));
                let hint = match &object.kind {
                    ExprKind::Find { table, .. } => {
                        let table = &self.c.suite.tables[*table].name;
                        format!("write `{table}.get(key)`, or take the result into a variable and test it against None")
                    }
                    ExprKind::Local(_) => {
                        "test `x != None` first, or `require(x != None, \"code\", \"message\")`".to_owned()
                    }
                    _ => self.test_first().to_owned(),
                };
                Err(self.report(object_span, message, hint))
            }
            Type::Date => self.date_part(object, field),
            other => {
                let message = format!("{} has no `{name}`", self.c.type_name(other));
                let hint = match (other, name) {
                    (Type::Money, _) => "money has no parts: add, compare, multiply by an int",
                    (Type::List(_), _) => "use `len(xs)`, `xs[i]` or a comprehension",
                    (Type::Str, _) => "call it: `text.lower()`",
                    _ => "",
                };
                Err(self.report(field.span, message, hint))
            }
        }
    }

    /// `object.method(...)`.
    pub(super) fn method(
        &mut self,
        expr: &AstExpr,
        object: &AstExpr,
        method: &Spanned<String>,
        call: &CallArgsP<AstNoPayload>,
    ) -> Checked<Expr> {
        let name = method.node.as_str();
        let arguments = self.c.arguments(name, expr.span, call);
        if let Some(table) = self.table_of(object) {
            return self.table_method(expr, table, method, arguments);
        }
        if name == "format"
            && let Some(text) = places::string(object)
        {
            return self.format(text, arguments, expr.span);
        }
        self.settle_get(object, name, &arguments);
        let object = self.infer(object, None)?;
        match (&object.ty, name) {
            (Type::Dict(..), _) => self.dict_method(expr, object, method, arguments),
            (Type::Str, _) => self.text_method(expr, object, method, arguments),
            (Type::Date, _) => self.date_method(object, method, arguments),
            _ => Err(self.no_method(&object, method)),
        }
    }

    fn no_method(&mut self, object: &Expr, method: &Spanned<String>) -> Reported {
        let name = method.node.as_str();
        let hint = match (&object.ty, name) {
            (Type::List(_), "append") => "`append` is a statement on a local list".to_owned(),
            (Type::List(_), "sort") => "write `sorted(xs, key = lambda x: ..)`".to_owned(),
            (Type::List(_), "reverse") => "write `reversed(xs)`".to_owned(),
            (Type::List(_), "extend") => "write `xs + ys`".to_owned(),
            (Type::List(_), "insert") => "write `xs = [x] + xs`".to_owned(),
            (Type::List(_), "pop" | "remove") => {
                "build the list you want: `[x for x in xs if ..]`, `xs[1:]`".to_owned()
            }
            (Type::List(_), "count") => "write `len([x for x in xs if ..])`".to_owned(),
            (Type::List(_), "index") => "write `[i for i, y in enumerate(xs) if y == x]`".to_owned(),
            (Type::List(_), "copy") => "lists are values: assign it".to_owned(),
            (Type::Row(table), "delete" | "remove") => {
                format!("write `{}.delete(row)`", self.c.suite.tables[*table].name)
            }
            (Type::Row(_), "update" | "set" | "save") => "write `row.column = value`".to_owned(),
            (Type::Row(_), _) => "columns are not called: write `row.column`".to_owned(),
            (Type::Option(_), _) => "it may be None: test it against None first".to_owned(),
            (Type::Key(table), "lower" | "upper" | "startswith" | "endswith" | "split" | "replace") => {
                let table = &self.c.suite.tables[*table].name;
                format!("keys are opaque; write `str(key)`, or take the row: `{table}.get(key)`")
            }
            _ => String::new(),
        };
        let message = format!("{} has no method `{name}`", self.c.type_name(&object.ty));
        self.report(method.span, message, hint)
    }

    fn table_method(
        &mut self,
        expr: &AstExpr,
        table: TableId,
        method: &Spanned<String>,
        mut arguments: Arguments<'_>,
    ) -> Checked<Expr> {
        let span = self.at(expr.span);
        let name = self.c.suite.tables[table].name.clone();
        match method.node.as_str() {
            "get" | "find" => {
                let get = method.node == "get";
                let Some(key) = arguments.next() else {
                    let hint = format!("write `{name}.{}({name}_id)`", method.node);
                    return Err(self.report(expr.span, format!("`{}` needs a key", method.node), hint));
                };
                if !arguments.named.is_empty() || !arguments.positional.is_empty() {
                    let hint =
                        format!("find rows otherwise with a comprehension: `[r for r in {name} if r.column == value]`");
                    return Err(self.report(expr.span, format!("`{}` takes the key only", method.node), hint));
                }
                let key = self.check(key, &Type::Key(table))?;
                if get {
                    return Ok(Expr { ty: Type::Row(table), kind: ExprKind::Get { table, key: Box::new(key) }, span });
                }
                Ok(Expr { ty: Type::Row(table).option(), kind: ExprKind::Find { table, key: Box::new(key) }, span })
            }
            "insert" => {
                self.writing(expr.span, "an insert")?;
                let values = self.new_row(table, &mut arguments)?;
                Ok(Expr { ty: Type::Row(table), kind: ExprKind::Insert { table, values }, span })
            }
            "delete" => Err(self.report(expr.span, "`delete` is a statement", "put it on a line of its own")),
            other => {
                let hint = match other {
                    "all" | "rows" | "values" | "items" | "list" => format!("loop over the table: `for r in {name}:`"),
                    "filter" | "where" | "select" | "query" | "search" => {
                        format!("write `[r for r in {name} if r.column == value]`")
                    }
                    "count" | "size" | "len" => format!("write `len({name})`"),
                    "add" | "create" | "append" | "new" => format!("write `{name}.insert(column = value, ...)`"),
                    "update" | "set" | "put" => "take the row and assign: `row.column = value`".to_owned(),
                    "remove" => format!("write `{name}.delete(row)`"),
                    "exists" | "contains" | "has" => format!("write `{name}.find(key) != None`"),
                    _ => names::did_you_mean(other, ["get", "find", "insert", "delete"]),
                };
                Err(self.report(method.span, format!("tables have no method `{other}`"), hint))
            }
        }
    }

    /// Values of all columns but the key, in order. Option columns may be left out.
    pub(super) fn new_row(&mut self, table: TableId, arguments: &mut Arguments<'_>) -> Checked<Vec<Expr>> {
        let span = self.at(arguments.span);
        let name = self.c.suite.tables[table].name.clone();
        if let Some(first) = arguments.positional.first() {
            let hint = format!("write `column = value` for each column of `{name}`");
            return Err(self.report(first.span, "the columns of a new row are named", hint));
        }
        let count = self.c.suite.tables[table].columns.len();
        let mut values = Vec::new();
        let mut missing = Vec::new();
        let mut broken = false;
        for index in 1..count {
            let column = self.c.suite.tables[table].columns[index].name.clone();
            let Some(value) = arguments.take(&column) else {
                let ty = self.c.suite.tables[table].columns[index].ty.clone();
                if matches!(ty, Type::Option(_)) {
                    values.push(Expr { ty, kind: ExprKind::Literal(Literal::None), span });
                } else {
                    missing.push(column);
                }
                continue;
            };
            let checked = match self.c.column_type(table, index, value.span) {
                Ok(ty) => self.check(value, &ty),
                Err(reported) => Err(reported),
            };
            match checked {
                Ok(value) => values.push(value),
                Err(Reported) => broken = true,
            }
        }
        let faults = self.c.diagnostics.len();
        let extra = arguments.named.iter().find(|n| n.name == "id").copied();
        if let Some(extra) = extra {
            self.report(extra.span, "keys are made by the table", "leave `id` out");
            arguments.take("id");
        }
        let columns: Vec<String> = self.c.suite.tables[table].columns.iter().skip(1).map(|c| c.name.clone()).collect();
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        self.c.no_more(arguments, &columns);
        if !missing.is_empty() {
            let message = format!("a new `{name}` lacks {}", names::list(&missing));
            return Err(self.report(
                arguments.span,
                message,
                "give every column a value; only options may be left out",
            ));
        }
        if broken || self.c.diagnostics.len() > faults {
            return Err(Reported);
        }
        Ok(values)
    }
}

//! Type annotations, and types in words.

use super::{Checked, Checker, Item, names, places};
use crate::syntax::Reported;
use crate::types::{TableId, Type};
use starlark_syntax::syntax::ast::{AstExpr, AstLiteral, BinOp, ExprP};

impl Checker<'_> {
    /// The type an annotation stands for.
    pub(super) fn annotation(&mut self, expr: &AstExpr) -> Checked<Type> {
        match &expr.node {
            ExprP::Identifier(name) => self.named_type(&name.node.ident, expr),
            ExprP::Dot(object, field) => {
                let Some(Item::Table(table)) = places::identifier(object).and_then(|n| self.items.get(n)).cloned() else {
                    return Err(self.not_a_type(expr, "write `table.column` for the type of a column"));
                };
                let column = self.column(table, &field.node, field.span)?;
                self.column_type(table, column, field.span)
            }
            ExprP::Index(parts) => {
                let (of, inner) = &**parts;
                match places::identifier(of) {
                    Some("key_of") => {
                        let table = self.table_named(inner)?;
                        Ok(Type::Key(table))
                    }
                    Some("option") => match self.annotation(inner)? {
                        Type::Option(_) => Err(self.report(expr.span, "an option of an option has no meaning", "write one `option`")),
                        Type::Unit => Err(self.not_a_type(inner, "")),
                        inner => Ok(inner.option()),
                    },
                    Some("list") => match self.annotation(inner)? {
                        Type::Unit => Err(self.not_a_type(inner, "")),
                        inner => Ok(inner.list()),
                    },
                    Some("Optional") => Err(self.not_a_type(expr, "write `option[T]`")),
                    Some("List") => Err(self.not_a_type(expr, "write `list[T]`")),
                    Some("tuple") => match &inner.node {
                        ExprP::Tuple(parts) => self.tuple_type(&parts.iter().collect::<Vec<_>>()),
                        _ => Err(self.not_a_type(expr, "write `tuple[A, B]`")),
                    },
                    Some("dict") => Err(self.not_a_type(expr, "write `dict[K, V]`")),
                    Some("set") => Err(self.not_a_type(expr, "use `list[T]`; `unique(xs)` has each value once")),
                    _ => Err(self.not_a_type(expr, "write `key_of(table)`, `option[T]` or `list[T]`")),
                }
            }
            ExprP::Index2(parts) => {
                let (of, first, second) = &**parts;
                match places::identifier(of) {
                    Some("tuple") => self.tuple_type(&[first, second]),
                    Some("dict") => {
                        let (key, value) = (self.annotation(first)?, self.annotation(second)?);
                        self.dict_type(key, value, first.span)
                    }
                    Some("Dict") => Err(self.not_a_type(expr, "write `dict[K, V]`")),
                    Some("Tuple") => Err(self.not_a_type(expr, "write `tuple[A, B]`")),
                    _ => Err(self.not_a_type(expr, "write `dict[K, V]` or `tuple[A, B]`")),
                }
            }
            ExprP::Call(function, _) => match places::identifier(function) {
                Some("list") => Err(self.not_a_type(expr, "write `list[T]` with square brackets")),
                _ => Err(self.not_a_type(expr, "write `key_of(table)`, `option[T]`, `list[T]`, or a name")),
            },
            ExprP::Op(_, BinOp::BitOr, _) => Err(self.not_a_type(expr, "write `option[T]` instead of `T | None`")),
            ExprP::Literal(AstLiteral::String(_)) => {
                Err(self.not_a_type(expr, "write the name without quotes; names declared later are known"))
            }
            _ => Err(self.not_a_type(expr, "types are int, float, bool, str, money, date, an enum, `table.column`, `key_of(table)`, `option[T]`, `list[T]`, a record or a table")),
        }
    }

    fn tuple_type(&mut self, parts: &[&AstExpr]) -> Checked<Type> {
        let parts = parts.iter().map(|part| match self.annotation(part)? {
            Type::Unit => Err(self.not_a_type(part, "")),
            ty => Ok(ty),
        });
        Ok(Type::Tuple(parts.collect::<Checked<_>>()?))
    }

    /// The type of a dict, if its keys can be ones.
    pub(super) fn dict_type(&mut self, key: Type, value: Type, span: starlark_syntax::codemap::Span) -> Checked<Type> {
        // A row stands for its key.
        let key = if let Type::Row(table) = key { Type::Key(table) } else { key };
        if key.is_key() && value != Type::Unit {
            return Ok(Type::Dict(Box::new(key), Box::new(value)));
        }
        let message = format!("{} cannot be the key of a dict", self.type_name(&key));
        let hint = match key {
            Type::Option(_) => "test it against None first",
            Type::Float => "use an int, money or text",
            _ => "keys are int, str, money, date, bool, an enum, a row's key, or tuples of those",
        };
        Err(self.report(span, message, hint))
    }

    fn named_type(&mut self, name: &str, expr: &AstExpr) -> Checked<Type> {
        Ok(match name {
            "int" => Type::Int,
            "float" => Type::Float,
            "bool" => Type::Bool,
            "str" => Type::Str,
            "money" => Type::Money,
            "date" => Type::Date,
            "None" => Type::Unit,
            "list" => return Err(self.not_a_type(expr, "write `list[T]` and say of what")),
            "option" => return Err(self.not_a_type(expr, "write `option[T]` and say of what")),
            "string" | "text" => return Err(self.not_a_type(expr, "write `str`")),
            "integer" | "number" => return Err(self.not_a_type(expr, "write `int` or `float`")),
            "boolean" => return Err(self.not_a_type(expr, "write `bool`")),
            "duration" => Type::Int,
            "dict" => return Err(self.not_a_type(expr, "write `dict[K, V]`")),
            "tuple" => return Err(self.not_a_type(expr, "write `tuple[A, B]`")),
            "set" | "object" | "any" => {
                return Err(self.not_a_type(expr, "declare a `record(...)`, or use `list[T]`"));
            }
            _ => match self.items.get(name) {
                Some(Item::Enum(id)) => Type::Enum(*id),
                Some(Item::Record(id)) => Type::Record(*id),
                Some(Item::Table(id)) => Type::Row(*id),
                Some(Item::Broken) => return Err(Reported),
                Some(_) => return Err(self.not_a_type(expr, "only tables, records and enums of the file name types")),
                None => {
                    // A record may be bound to another name than its own.
                    if let Some(id) = self.suite.records.iter().position(|r| r.name == name) {
                        return Ok(Type::Record(id));
                    }
                    let known = ["int", "float", "bool", "str", "money", "date"].into_iter();
                    let types = self
                        .items
                        .iter()
                        .filter(|(_, item)| matches!(item, Item::Enum(_) | Item::Record(_) | Item::Table(_)));
                    let known: Vec<&str> = known.chain(types.map(|(name, _)| name.as_str())).collect();
                    let hint = names::did_you_mean(name, known);
                    return Err(self.report(expr.span, format!("there is no type `{name}`"), hint));
                }
            },
        })
    }

    fn not_a_type(&mut self, expr: &AstExpr, hint: &str) -> Reported {
        self.report(expr.span, format!("`{}` is not a type", expr.node), hint)
    }

    /// The table a name stands for.
    pub(super) fn table_named(&mut self, expr: &AstExpr) -> Checked<TableId> {
        let name = places::identifier(expr).unwrap_or_default();
        match self.items.get(name) {
            Some(Item::Table(id)) => Ok(*id),
            Some(Item::Broken) => Err(Reported),
            _ => {
                let tables: Vec<&str> =
                    self.items.iter().filter(|(_, i)| matches!(i, Item::Table(_))).map(|(n, _)| n.as_str()).collect();
                let hint = names::did_you_mean(name, tables);
                Err(self.report(expr.span, format!("`{}` is not a table", expr.node), hint))
            }
        }
    }

    /// A type in the words of the language.
    pub(super) fn type_name(&self, ty: &Type) -> String {
        match ty {
            Type::Unit => "nothing".into(),
            Type::Bool => "bool".into(),
            Type::Int => "int".into(),
            Type::Float => "float".into(),
            Type::Str => "str".into(),
            Type::Money => "money".into(),
            Type::Date => "date".into(),
            Type::Enum(id) => {
                let name = &self.suite.enums[*id].name;
                let named = self.items.iter().find(|(_, item)| **item == Item::Enum(*id));
                if let Some((name, _)) = named {
                    return name.clone();
                }
                let column = self.suite.tables.iter().find_map(|t| {
                    let is = |c: &&crate::suite::Column| c.ty == *ty || c.ty == ty.clone().option();
                    t.columns.iter().find(is).map(|c| format!("{}.{}", t.name, c.name))
                });
                column.unwrap_or_else(|| name.clone())
            }
            Type::Key(id) => format!("key_of({})", self.suite.tables[*id].name),
            Type::Row(id) => self.suite.tables[*id].name.clone(),
            Type::Record(id) => self.suite.records[*id].name.clone(),
            Type::Option(inner) => format!("option[{}]", self.type_name(inner)),
            Type::List(inner) => format!("list[{}]", self.type_name(inner)),
            Type::Tuple(parts) => {
                let parts: Vec<String> = parts.iter().map(|part| self.type_name(part)).collect();
                format!("tuple[{}]", parts.join(", "))
            }
            Type::Dict(key, value) => format!("dict[{}, {}]", self.type_name(key), self.type_name(value)),
        }
    }

    /// Index of a column by name.
    pub(super) fn column(
        &mut self,
        table: TableId,
        name: &str,
        span: starlark_syntax::codemap::Span,
    ) -> Checked<usize> {
        let columns = &self.suite.tables[table].columns;
        if let Some(index) = columns.iter().position(|c| c.name == name) {
            return Ok(index);
        }
        let hint = match name {
            "key" => "the key column is `id`".to_owned(),
            _ => names::did_you_mean(name, columns.iter().map(|c| c.name.as_str())),
        };
        let message = format!("the table `{}` has no column `{name}`", self.suite.tables[table].name);
        Err(self.report(span, message, hint))
    }

    /// Type of a column, where it is known already.
    pub(super) fn column_type(
        &mut self,
        table: TableId,
        column: usize,
        span: starlark_syntax::codemap::Span,
    ) -> Checked<Type> {
        if self.broken.contains(&(table, column)) {
            return Err(Reported);
        }
        if self.pending.contains(&(table, column)) {
            let message =
                format!("`{}` is derived, and is not computed yet here", self.suite.tables[table].columns[column].name);
            return Err(self.report(
                span,
                message,
                "a derived column may use plain columns, and derived columns above it",
            ));
        }
        Ok(self.suite.tables[table].columns[column].ty.clone())
    }
}

//! The declared meaning of a read tool: which rows it finds, by which columns, and what it shows of them.

use super::{Checked, Checker, names, places};
use crate::suite::{Finds, Relation};
use crate::syntax::Reported;
use crate::types::{FunctionId, TableId, Type};
use starlark_syntax::syntax::ast::{AstExpr, ExprP};

impl Checker<'_> {
    pub(super) fn finds(
        &mut self,
        function: FunctionId,
        table: &AstExpr,
        matched: Option<&AstExpr>,
        page: Option<&AstExpr>,
    ) -> Checked<Finds> {
        let table_span = table.span;
        let table = self.table_named(table)?;
        let page_index = page.map(|p| self.page(function, p)).transpose()?;
        let matches = matched.map_or(Ok(Vec::new()), |m| self.matches(function, table, m))?;
        let signature = self.signatures[function].clone();
        let loose: Vec<&str> = signature
            .parameters
            .iter()
            .enumerate()
            .filter(|(i, _)| Some(*i) != page_index && !matches.iter().any(|m| m.0 == *i))
            .map(|(_, p)| p.name.as_str())
            .collect();
        if !loose.is_empty() {
            let hint =
                "say which column it is compared with: `match = {\"parameter\": \"column\"}`, or leave `finds` out";
            return Err(self.report(
                table_span,
                format!("`finds` does not say what {} does", names::list(&loose)),
                hint,
            ));
        }
        let (item, single) = self.item(&signature.returns, table, page_index.is_some(), table_span)?;
        if single {
            let one = matches.iter().any(|(parameter, column, relation)| {
                let unique = self.suite.tables[table].columns[*column].unique;
                let required = !matches!(signature.parameters[*parameter].ty, Type::Option(_));
                unique && required && *relation == Relation::Equal
            });
            if !one {
                let hint = "match `id` or a unique column, or return `list[...]`";
                return Err(self.report(
                    table_span,
                    "this tool returns one row, and its arguments do not name one",
                    hint,
                ));
            }
        }
        let shows = self.shows(&item, table);
        if shows.is_empty() {
            let name = self.suite.tables[table].name.clone();
            let hint = "give fields of the record the names and types of columns; `id` is the key";
            return Err(self.report(table_span, format!("the result shows no column of `{name}`"), hint));
        }
        Ok(Finds { table, matches, page: page_index, shows, single })
    }

    fn page(&mut self, function: FunctionId, page: &AstExpr) -> Checked<usize> {
        let index = self.parameter_named(function, page)?;
        if self.signatures[function].parameters[index].ty != Type::Int {
            return Err(self.report(page.span, "the page number is an int", "write `page: int = 1`"));
        }
        Ok(index)
    }

    fn matches(
        &mut self,
        function: FunctionId,
        table: TableId,
        expr: &AstExpr,
    ) -> Checked<Vec<(usize, usize, Relation)>> {
        let ExprP::Dict(entries) = &expr.node else {
            let hint = "write `match = {\"member_id\": \"member\", \"title\": \"title contains\"}`";
            return Err(self.report(expr.span, "`match` maps parameters to columns", hint));
        };
        let mut out: Vec<(usize, usize, Relation)> = Vec::new();
        let mut broken = false;
        for (key, value) in entries {
            match self.one_match(function, table, key, value) {
                Ok(found) => out.push(found),
                Err(Reported) => broken = true,
            }
        }
        if broken { Err(Reported) } else { Ok(out) }
    }

    fn one_match(
        &mut self,
        function: FunctionId,
        table: TableId,
        key: &AstExpr,
        value: &AstExpr,
    ) -> Checked<(usize, usize, Relation)> {
        let parameter = self.parameter_named(function, key)?;
        let Some(text) = places::string(value) else {
            return Err(self.report(value.span, "a column is named by a text", "write `\"due <=\"`"));
        };
        let (name, relation) = text.trim().split_once(' ').unwrap_or((text.trim(), "=="));
        let relation = match relation.trim() {
            "==" => Relation::Equal,
            "contains" => Relation::Contains,
            "<" => Relation::Less,
            "<=" => Relation::AtMost,
            ">" => Relation::Greater,
            ">=" => Relation::AtLeast,
            other => {
                let hint = "write `\"column\"`, `\"column contains\"`, `\"column <\"`, `\"column <=\"`, `\"column >\"` or `\"column >=\"`";
                return Err(self.report(value.span, format!("`{other}` is no relation"), hint));
            }
        };
        let column = self.column(table, name, value.span)?;
        let of_column = self.column_type(table, column, value.span)?;
        let of_column = if let Type::Option(inner) = of_column { *inner } else { of_column };
        let of_parameter = self.signatures[function].parameters[parameter].ty.clone();
        let of_parameter = if let Type::Option(inner) = of_parameter { *inner } else { of_parameter };
        let fits = match relation {
            Relation::Equal => of_column == of_parameter,
            Relation::Contains => of_column == Type::Str && of_parameter == Type::Str,
            _ => of_column == of_parameter && of_column.is_ordered(),
        };
        if !fits {
            let message = format!(
                "the parameter is {} and the column `{name}` is {}",
                self.type_name(&of_parameter),
                self.type_name(&of_column)
            );
            let hint = match relation {
                Relation::Contains => "`contains` is for texts".to_owned(),
                _ => format!("give the parameter the column's type, `{}.{name}`", self.suite.tables[table].name),
            };
            return Err(self.report(value.span, message, hint));
        }
        Ok((parameter, column, relation))
    }

    /// What one found row looks like, and whether there is exactly one.
    fn item(
        &mut self,
        returns: &Type,
        table: TableId,
        paged: bool,
        span: starlark_syntax::codemap::Span,
    ) -> Checked<(Type, bool)> {
        if paged {
            let Type::Record(id) = returns else {
                let hint = "return a record with `items = list[...]` and `more = bool`";
                return Err(self.report(span, "a paged tool returns a page", hint));
            };
            let fields = &self.suite.records[*id].fields;
            let more = fields.iter().any(|(n, t)| n == "more" && *t == Type::Bool);
            let items = fields.iter().find(|(n, _)| n == "items").map(|(_, t)| t.clone());
            return match items {
                Some(Type::List(item)) if more => Ok((*item, false)),
                _ => {
                    let hint = "give it the fields `items = list[...]` and `more = bool`";
                    Err(self.report(span, format!("`{}` is no page", self.suite.records[*id].name.clone()), hint))
                }
            };
        }
        let (item, single) = match returns {
            Type::List(item) => ((**item).clone(), false),
            other => (other.clone(), true),
        };
        match item {
            Type::Record(_) => Ok((item, single)),
            Type::Row(of) if of == table => Ok((item, single)),
            Type::Key(of) if of == table && !single => Ok((item, single)),
            Type::Option(_) => {
                let hint = "return the row and let `get` fail, or return a list";
                Err(self.report(span, "a tool with `finds` does not return an option", hint))
            }
            other => {
                let message = format!("{} is no row of `{}`", self.type_name(&other), self.suite.tables[table].name);
                Err(self.report(span, message, "return the row, a record of its columns, or a list of those"))
            }
        }
    }

    /// Columns that the result shows: (column, field).
    fn shows(&self, item: &Type, table: TableId) -> Vec<(usize, String)> {
        let columns = &self.suite.tables[table].columns;
        match item {
            Type::Row(_) => columns.iter().enumerate().map(|(i, c)| (i, c.name.clone())).collect(),
            Type::Record(id) => {
                let fields = &self.suite.records[*id].fields;
                let column = |(name, ty): &(String, Type)| {
                    let index = columns.iter().position(|c| c.name == *name && c.ty == *ty)?;
                    Some((index, name.clone()))
                };
                fields.iter().filter_map(column).collect()
            }
            _ => Vec::new(),
        }
    }
}

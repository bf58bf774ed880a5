//! Sources: how the values of a column, or of an argument, are made.

use super::arguments::Arguments;
use super::{Checked, Checker, Constant, Item, names, places};
use crate::suite::Source;
use crate::tree::Literal;
use crate::types::{EnumId, TableId, Type};
use starlark_syntax::syntax::ast::AstExpr;

/// Names of sources, for messages.
const SOURCES: [&str; 16] = [
    "person_name",
    "company_name",
    "email",
    "phone",
    "street_address",
    "city",
    "phrase",
    "choice",
    "one_of",
    "integer",
    "money",
    "date",
    "boolean",
    "ref",
    "maybe",
    "derived",
];

/// What the call of a source says.
pub(super) struct Made<'a> {
    pub ty: Type,
    pub source: Source,
    pub label: Option<String>,
    pub says: String,
    pub case_says: Vec<String>,
    pub unique: bool,
    /// The lambda of a derived column, checked later.
    pub derived: Option<&'a AstExpr>,
}

impl Made<'_> {
    pub fn new(ty: Type, source: Source) -> Self {
        Made { ty, source, label: None, says: String::new(), case_says: Vec::new(), unique: false, derived: None }
    }

    /// Stands for a column with a fault.
    pub fn broken() -> Self {
        Made::new(Type::Str, Source::Phone)
    }
}

/// For whom a source is: the name of an enumeration made by `one_of("a", "b")`, or the one that must be met.
pub(super) enum For {
    Column(String),
    Argument(Option<EnumId>),
}

impl Checker<'_> {
    /// The source of a column.
    pub(super) fn column_source<'a>(&mut self, table: TableId, name: &str, expr: &'a AstExpr) -> Checked<Made<'a>> {
        let owner = For::Column(format!("{}_{name}", self.suite.tables[table].name));
        let made = self.source(&owner, expr, true)?;
        if !made.says.is_empty() && made.says.matches("{}").count() != 1 {
            self.report(expr.span, "`says` has one `{}` for the value", "write `says = \"due on {}\"`");
        }
        Ok(made)
    }

    /// The source of an argument of type `ty`.
    pub(super) fn argument_source(&mut self, ty: &Type, expr: &AstExpr) -> Checked<Source> {
        let plain = if let Type::Option(inner) = ty { inner } else { ty };
        let owner = For::Argument(if let Type::Enum(id) = plain { Some(*id) } else { None });
        let made = self.source(&owner, expr, true)?;
        if made.derived.is_some() || matches!(made.source, Source::Email { .. }) {
            return Err(self.report(expr.span, "an argument cannot be made from a row", "use another source"));
        }
        if made.ty != *plain && made.ty != *ty {
            let message =
                format!("this makes {}, and the parameter is {}", self.type_name(&made.ty), self.type_name(ty));
            return Err(self.report(expr.span, message, "use a source of the parameter's type"));
        }
        Ok(made.source)
    }

    fn source<'a>(&mut self, owner: &For, expr: &'a AstExpr, outer: bool) -> Checked<Made<'a>> {
        let Some(mut arguments) = self.call(expr) else {
            let hint = match places::identifier(expr) {
                Some(name) if SOURCES.contains(&name) => format!("write `{name}(...)`"),
                Some(name) if matches!(self.items.get(name), Some(Item::Table(_))) => format!("write `ref({name})`"),
                Some(name) if matches!(self.items.get(name), Some(Item::Enum(_))) => format!("write `one_of({name})`"),
                Some("str") => {
                    "write a source of texts: `person_name()`, `phrase([...])`, `choice(\"a\", \"b\")`".into()
                }
                Some("int") => "write `integer(0, 10)`".into(),
                Some("bool") => "write `boolean(50)`".into(),
                _ => "a column is made by a source: `person_name()`, `integer(0, 10)`, `one_of(...)`, `ref(table)`"
                    .into(),
            };
            return Err(self.report(expr.span, "this does not say how values are made", hint));
        };
        let label = arguments.take("label");
        let says = arguments.take("says");
        let unique = arguments.take("unique");
        let mut made = self.source_call(owner, expr, &mut arguments)?;
        self.no_more(&arguments, &["label", "says", "unique"]);
        if let Some(value) = label {
            made.label = Some(self.text(value, "`label`")?);
        }
        if let Some(value) = says {
            made.says = self.text(value, "`says`")?;
        }
        if let Some(value) = unique {
            made.unique = self.flag(value, "`unique`")?;
            let able = !matches!(
                made.source,
                Source::OneOf { .. } | Source::Boolean { .. } | Source::Maybe { .. } | Source::Derived { .. }
            );
            if made.unique && (!able || !outer) {
                return Err(self.report(value.span, "values of this source cannot be unique", "remove `unique`"));
            }
        }
        Ok(made)
    }

    fn source_call<'a>(&mut self, owner: &For, expr: &'a AstExpr, arguments: &mut Arguments<'a>) -> Checked<Made<'a>> {
        let made = match arguments.of {
            "person_name" => Made::new(Type::Str, Source::PersonName),
            "company_name" => Made::new(Type::Str, Source::CompanyName),
            "phone" => Made::new(Type::Str, Source::Phone),
            "street_address" => Made::new(Type::Str, Source::StreetAddress),
            "city" => Made::new(Type::Str, Source::City),
            "email" => {
                let of = self.needed(arguments, "of", "email(of = \"name\")")?;
                Made::new(Type::Str, Source::Email { of: self.text(of, "`of`")? })
            }
            "phrase" => {
                let mut parts = Vec::new();
                while let Some(part) = arguments.next() {
                    parts.push(self.texts(part, "a part of a phrase")?);
                }
                let braces = |t: &String| t.is_empty() || t.contains(['{', '}']);
                if parts.is_empty() || parts.iter().any(|p| p.is_empty() || p.iter().any(braces)) {
                    let hint = "write `phrase([\"The Silent\", \"A Broken\"], [\"River\", \"Clock\"])`";
                    return Err(self.report(expr.span, "`phrase` takes lists of words without braces", hint));
                }
                Made::new(Type::Str, Source::Phrase { parts })
            }
            "choice" => {
                let values = self.listed(arguments)?;
                if values.is_empty() {
                    return Err(self.report(expr.span, "`choice` needs texts", "write `choice(\"a\", \"b\")`"));
                }
                Made::new(Type::Str, Source::Choice { values })
            }
            "one_of" => self.one_of(owner, expr, arguments)?,
            "integer" => {
                let (low, high) = self.bounds(arguments, expr, "integer(1950, 2026)")?;
                let (low, high) = (
                    self.whole(low, "the least value", i64::MIN, i64::MAX)?,
                    self.whole(high, "the greatest value", i64::MIN, i64::MAX)?,
                );
                let step = match arguments.either("step") {
                    Some(step) => self.whole(step, "`step`", 1, i64::MAX)?,
                    None => 1,
                };
                self.ordered(low, high, expr)?;
                Made::new(Type::Int, Source::Integer { low, high, step })
            }
            "money" => {
                let (low, high) = self.bounds(arguments, expr, "money(\"0.00\", \"40.00\", step = \"0.50\")")?;
                let (low, high) = (self.cents(low)?, self.cents(high)?);
                let step = match arguments.either("step") {
                    Some(step) => {
                        let cents = self.cents(step)?;
                        if cents <= 0 {
                            return Err(self.report(
                                step.span,
                                "`step` is more than nothing",
                                "write `step = \"0.50\"`",
                            ));
                        }
                        cents
                    }
                    None => 1,
                };
                self.ordered(low, high, expr)?;
                Made::new(Type::Money, Source::Money { low, high, step })
            }
            "date" => {
                let (from, to) = self.bounds(arguments, expr, "date(-30, 30)")?;
                let from = self.whole(from, "days from the world's date", -200_000, 200_000)?;
                let to = self.whole(to, "days from the world's date", -200_000, 200_000)?;
                self.ordered(from, to, expr)?;
                Made::new(Type::Date, Source::Date { from_days: from as i32, to_days: to as i32 })
            }
            "boolean" => {
                let percent = match arguments.either("percent") {
                    Some(value) => self.whole(value, "the percentage", 0, 100)?,
                    None => 50,
                };
                Made::new(Type::Bool, Source::Boolean { percent: percent as u32 })
            }
            "ref" => {
                let to = self.needed(arguments, "table", "ref(member)")?;
                let table = self.table_named(to)?;
                Made::new(Type::Key(table), Source::Reference { table })
            }
            "maybe" => {
                let percent = self.needed(arguments, "percent", "maybe(20, phone())")?;
                if super::called_name(percent).is_some_and(|name| SOURCES.contains(&name)) {
                    return Err(self.report(
                        percent.span,
                        "`maybe` starts with the percentage of None",
                        "write `maybe(20, phone())`",
                    ));
                }
                let none_percent = self.whole(percent, "the percentage of None", 0, 100)? as u32;
                let inner = self.needed(arguments, "source", "maybe(20, phone())")?;
                let inner = self.source(owner, inner, false)?;
                if inner.derived.is_some() || matches!(inner.source, Source::Maybe { .. }) {
                    return Err(self.report(expr.span, "`maybe` takes a plain source", "write `maybe(20, phone())`"));
                }
                let source = Source::Maybe { none_percent, inner: Box::new(inner.source) };
                Made { ty: inner.ty.option(), source, ..inner }
            }
            "derived" => {
                let lambda = self.needed(arguments, "value", "derived(lambda r: r.price * r.quantity)")?;
                let empty = Source::Derived { locals: Vec::new(), value: Box::new(super::coerce::unit()) };
                Made { derived: Some(lambda), ..Made::new(Type::Unit, empty) }
            }
            other => {
                let hint = match other {
                    "text" | "string" | "str" | "title" | "words" => "texts come from `phrase([...])` or `choice(\"a\", \"b\")`".to_owned(),
                    "int" | "number" => "write `integer(low, high)`".to_owned(),
                    "bool" | "flag" => "write `boolean(percent)`".to_owned(),
                    "name" => "write `person_name()` or `company_name()`".to_owned(),
                    "address" => "write `street_address()` or `city()`".to_owned(),
                    "reference" | "foreign_key" => "write `ref(table)`".to_owned(),
                    "optional" | "option" | "nullable" => "write `maybe(percent, source)`".to_owned(),
                    "enum" => "declare the enum at the top of the file and write `one_of(Name)`, or write `one_of(\"a\", \"b\")`".to_owned(),
                    "datetime" | "timestamp" | "time" => "there are only dates: `date(-30, 30)`".to_owned(),
                    "float" | "decimal" => "write `integer(low, high)` or `money(\"0.00\", \"9.00\")`".to_owned(),
                    _ => names::did_you_mean(other, SOURCES),
                };
                return Err(self.report(expr.span, format!("there is no source `{other}`"), hint));
            }
        };
        Ok(made)
    }

    fn needed<'a>(&mut self, arguments: &mut Arguments<'a>, name: &str, example: &str) -> Checked<&'a AstExpr> {
        match arguments.either(name) {
            Some(value) => Ok(value),
            None => Err(self.report(
                arguments.span,
                format!("`{}` needs `{name}`", arguments.of),
                format!("write `{example}`"),
            )),
        }
    }

    fn bounds<'a>(
        &mut self,
        arguments: &mut Arguments<'a>,
        expr: &AstExpr,
        example: &str,
    ) -> Checked<(&'a AstExpr, &'a AstExpr)> {
        match (arguments.next(), arguments.next()) {
            (Some(low), Some(high)) => Ok((low, high)),
            _ => Err(self.report(
                expr.span,
                format!("`{}` needs two bounds", arguments.of),
                format!("write `{example}`"),
            )),
        }
    }

    fn ordered(&mut self, low: i64, high: i64, expr: &AstExpr) -> Checked<()> {
        if low > high {
            return Err(self.report(expr.span, "the bounds count down", "put the smaller one first"));
        }
        Ok(())
    }

    fn cents(&mut self, expr: &AstExpr) -> Checked<i64> {
        match self.constant(expr)? {
            Constant::Literal(Literal::Money(cents)) => Ok(cents),
            Constant::Literal(Literal::Str(text)) => self.money(&text, expr.span),
            _ => Err(self.report(expr.span, "this is not an amount of money", "write it in quotes: \"12.50\"")),
        }
    }
}

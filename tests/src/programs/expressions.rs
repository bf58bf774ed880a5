//! Expressions of a wanted type.
//!
//! `known` says that the place tells the checker the type: there a text may be an enum value, `None` an option, a row its key. Where it
//! does not, the expression must have its type of its own, and a function `as_N` lends it one.

use super::scope::Body;
use super::types::Ty;

/// Integers at the edges of what 64 bits and dates take.
const EDGES: [&str; 8] =
    ["9223372036854775807", "(-9223372036854775807)", "4611686018427387904", "3000000", "(-1)", "0", "100", "255"];
const FLOATS: [&str; 8] = ["0.0", "1.5", "(-2.25)", "0.1", "3.0", "1e300", "(-1e-300)", "100.0"];
const TEXTS: [&str; 10] =
    ["", "a", "Ab", "ß", "x\\ty", "line\\nend", "  pad ", "quo\\\"te", "back\\\\slash", "{brace} ñandú"];
const AMOUNTS: [&str; 6] = ["0.00", "0.01", "-3.50", "12.00", "92233720368547758.07", "-0.99"];
const DATES: [&str; 6] = ["2024-02-29", "1970-01-01", "0001-01-01", "9999-12-31", "2024-10-04", "1969-12-31"];

impl Body<'_> {
    /// An expression of type `ty`; `depth` bounds its nesting.
    pub(super) fn expr(&mut self, ty: &Ty, depth: usize, known: bool) -> String {
        if depth == 0 || self.one_in(6) {
            return self.leaf(ty, known);
        }
        if *ty == Ty::Bool {
            return self.condition(depth).text;
        }
        if self.one_in(5)
            && let Some(text) = self.function_of(ty, depth - 1)
        {
            return text;
        }
        if self.one_in(6)
            && let Some(text) = self.of_dict(ty, depth - 1)
        {
            return text;
        }
        if self.one_in(3)
            && let Some(text) = self.common_form(ty, depth, known)
        {
            return text;
        }
        self.own_form(ty, depth, known)
    }

    /// Forms that any type has: conditions, elements, calls, columns, fields.
    pub(super) fn common_form(&mut self, ty: &Ty, depth: usize, known: bool) -> Option<String> {
        let below = depth - 1;
        match self.below(6) {
            0 => {
                let condition = self.condition(below);
                let then = self.knowing(&condition.yes, |b| b.expr(ty, below, known));
                let otherwise = self.knowing(&condition.no, |b| b.expr(ty, below, known));
                // A variable of an optional type lends that type to a conditional.
                let optional =
                    |text: &String| self.variables.iter().any(|v| v.name == *text && matches!(v.ty, Ty::Option(_)));
                if !known && [&then, &otherwise].into_iter().any(optional) {
                    return None;
                }
                Some(format!("({then} if {} else {otherwise})", condition.text))
            }
            1 => {
                let list = self.expr(&ty.clone().list(), below, false);
                let index = self.index(below);
                Some(format!("{list}[{index}]"))
            }
            2 | 3 => self.column(ty, below),
            4 => self.field(ty, below),
            _ => self.call_of(ty, below),
        }
    }

    /// An index, mostly of the first elements.
    fn index(&mut self, depth: usize) -> String {
        match self.below(10) {
            0 => self.expr(&Ty::Int, depth, true),
            1 | 2 => self.below(4).to_string(),
            3 | 4 => "-1".into(),
            _ => "0".into(),
        }
    }

    /// `row.column` of this type.
    fn column(&mut self, ty: &Ty, depth: usize) -> Option<String> {
        let mut found = Vec::new();
        for (table, columns) in self.file.tables.iter().enumerate() {
            if *ty == Ty::Key(table) {
                found.push((table, "id".to_owned()));
            }
            found.extend(columns.iter().filter(|(_, t)| t == ty).map(|(name, _)| (table, name.clone())));
        }
        if found.is_empty() {
            return None;
        }
        let (table, name) = self.random.pick(&found);
        Some(format!("{}.{name}", self.expr(&Ty::Row(table), depth, false)))
    }

    /// `record.field` of this type.
    fn field(&mut self, ty: &Ty, depth: usize) -> Option<String> {
        let fields = self.file.records.iter().enumerate();
        let found: Vec<(usize, String)> = fields
            .flat_map(|(id, fields)| fields.iter().filter(|(_, t)| t == ty).map(move |(n, _)| (id, n.clone())))
            .collect();
        if found.is_empty() {
            return None;
        }
        let (id, name) = self.random.pick(&found);
        Some(format!("{}.{name}", self.expr(&Ty::Record(id), depth, false)))
    }

    /// A call of a function that returns this type.
    fn call_of(&mut self, ty: &Ty, depth: usize) -> Option<String> {
        let allowed = |writes: bool, may: bool| !writes || may;
        let may = self.may_write;
        let found: Vec<_> = self
            .callable
            .iter()
            .filter(|s| s.returns.as_ref() == Some(ty) && allowed(s.writes, may))
            .cloned()
            .collect();
        if found.is_empty() {
            return None;
        }
        let signature = self.random.pick(&found);
        Some(self.call(&signature, depth))
    }

    /// A call of a function with arguments by place or by name.
    pub(super) fn call(&mut self, signature: &super::types::Signature, depth: usize) -> String {
        self.writes |= signature.writes;
        let mut arguments = Vec::new();
        let mut named = self.one_in(4);
        for (name, ty, optional) in &signature.parameters {
            if *optional && self.one_in(2) {
                named = true;
                continue;
            }
            let value = self.expr(ty, depth, true);
            arguments.push(if named { format!("{name} = {value}") } else { value });
        }
        format!("{}({})", signature.name, arguments.join(", "))
    }

    /// Forms that only this type has.
    fn own_form(&mut self, ty: &Ty, depth: usize, known: bool) -> String {
        let below = depth - 1;
        match ty {
            Ty::Int => self.int(below),
            Ty::Float => match self.below(7) {
                0..=3 => {
                    let sign = self.random.pick(&["+", "-", "*", "/"]);
                    format!("({} {sign} {})", self.expr(ty, below, false), self.expr(ty, below, false))
                }
                4 => format!("float({})", self.expr(&Ty::Int, below, true)),
                5 => format!("(-{})", self.expr(ty, below, false)),
                _ => self.reduction(ty, below),
            },
            Ty::Str => self.text(below),
            Ty::Money => match self.below(8) {
                0 | 1 => {
                    let sign = self.random.pick(&["+", "-"]);
                    format!("({} {sign} {})", self.expr(ty, below, false), self.expr(ty, below, false))
                }
                2 => format!("({} * {})", self.expr(ty, below, false), self.expr(&Ty::Int, below, false)),
                3 => format!("({} * {})", self.expr(&Ty::Int, below, false), self.expr(ty, below, false)),
                4 => format!("({} // {})", self.expr(ty, below, false), self.expr(&Ty::Int, below, false)),
                5 => format!("percent({}, {})", self.expr(ty, below, false), self.expr(&Ty::Int, below, true)),
                6 => format!("(-{})", self.expr(ty, below, false)),
                _ => self.reduction(ty, below),
            },
            Ty::Date => match self.below(6) {
                0 | 1 => format!("({} + days({}))", self.expr(ty, below, false), self.expr(&Ty::Int, below, true)),
                2 => format!("({} - {})", self.expr(ty, below, false), self.expr(&Ty::Int, below, false)),
                3 => format!("(days({}) + {})", self.expr(&Ty::Int, below, true), self.expr(ty, below, false)),
                4 => "today()".into(),
                _ => self.reduction(ty, below),
            },
            Ty::Enum(_) | Ty::Key(_) if self.one_in(3) => self.reduction(ty, below),
            Ty::Key(table) if known => self.expr(&Ty::Row(*table), below, false),
            Ty::Row(table) => match self.below(4) {
                0..=2 => format!("t{table}.get({})", self.expr(&Ty::Key(*table), below, true)),
                _ => match self.insert(*table, below) {
                    Some(text) => text,
                    None => self.leaf(ty, known),
                },
            },
            Ty::Record(id) => self.record(*id, below),
            Ty::Option(inner) => match (&**inner, self.below(4)) {
                (Ty::Row(table), 0..=2) => format!("t{table}.find({})", self.expr(&Ty::Key(*table), below, true)),
                (inner, 0 | 1) if known => self.expr(inner, below, true),
                _ => {
                    // A function's argument is where `None` and a value become an option.
                    let lender = self.file.lender(ty);
                    let known = !matches!(**inner, Ty::List(_));
                    let value = if self.one_in(3) { "None".into() } else { self.expr(inner, below, known) };
                    format!("{lender}({value})")
                }
            },
            Ty::List(inner) => self.list(inner, depth, known),
            _ => self.leaf(ty, known),
        }
    }

    fn int(&mut self, depth: usize) -> String {
        match self.below(12) {
            0..=3 => {
                let sign = self.random.pick(&["+", "-", "*", "+"]);
                format!("({} {sign} {})", self.expr(&Ty::Int, depth, false), self.expr(&Ty::Int, depth, false))
            }
            4 | 5 => {
                let sign = self.random.pick(&["//", "%"]);
                format!("({} {sign} {})", self.expr(&Ty::Int, depth, false), self.expr(&Ty::Int, depth, false))
            }
            6 => format!("(-{})", self.expr(&Ty::Int, depth, false)),
            7 => {
                let ty = if self.one_in(3) { Ty::Str } else { self.file.any(self.random, 1).list() };
                format!("len({})", self.expr(&ty, depth, false))
            }
            8 => format!("({} - {})", self.expr(&Ty::Date, depth, false), self.expr(&Ty::Date, depth, false)),
            9 => format!("percent({}, {})", self.expr(&Ty::Int, depth, false), self.expr(&Ty::Int, depth, true)),
            10 => format!("days({})", self.expr(&Ty::Int, depth, true)),
            _ => self.reduction(&Ty::Int, depth),
        }
    }

    /// `sum`, `min` or `max`.
    fn reduction(&mut self, ty: &Ty, depth: usize) -> String {
        let sums = matches!(ty, Ty::Int | Ty::Float | Ty::Money);
        let word = if sums { self.random.pick(&["sum", "min", "max"]) } else { self.random.pick(&["min", "max"]) };
        if word != "sum" && !self.one_in(3) {
            return format!("{word}({}, {})", self.expr(ty, depth, false), self.expr(ty, depth, false));
        }
        format!("{word}({})", self.expr(&ty.clone().list(), depth, false))
    }

    fn text(&mut self, depth: usize) -> String {
        match self.below(8) {
            0 | 1 => format!("({} + {})", self.expr(&Ty::Str, depth, false), self.expr(&Ty::Str, depth, false)),
            2 | 3 => {
                let word = self.random.pick(&["lower", "upper", "strip"]);
                format!("{}.{word}()", self.expr(&Ty::Str, depth, false))
            }
            4 => self.reduction(&Ty::Str, depth),
            5 => {
                let pieces: Vec<String> = (0..=self.below(3)).map(|_| self.printed(depth)).collect();
                let text = self.random.pick(&["", "a", "{{b}}", "ß "]);
                format!("\"{text}{}\".format({})", "{}".repeat(pieces.len()), pieces.join(", "))
            }
            _ => {
                // Quotes and braces would end an f-string early. What is left out must not be the only write of the function.
                let pieces = (0..=self.below(3)).map(|_| match self.quiet(|b| b.printed(depth)) {
                    value if value.contains(['"', '{', '\\']) => "-".to_owned(),
                    value => format!("{{{value}}}"),
                });
                format!("f\"{}:\"", pieces.collect::<String>())
            }
        }
    }

    /// Something that a text can show.
    pub(super) fn printed(&mut self, depth: usize) -> String {
        let ty = loop {
            let ty = if self.one_in(4) { Ty::Row(self.table()) } else { self.file.scalar(self.random) };
            if ty.prints() {
                break ty;
            }
        };
        self.expr(&ty, depth, false)
    }

    fn record(&mut self, id: usize, depth: usize) -> String {
        let fields = self.file.records[id].clone();
        let values: Vec<String> =
            fields.iter().map(|(name, ty)| format!("{name} = {}", self.expr(ty, depth, true))).collect();
        format!("Part{id}({})", values.join(", "))
    }

    /// `table.insert(..)`, if this body may write.
    pub(super) fn insert(&mut self, table: usize, depth: usize) -> Option<String> {
        if !self.may_write {
            return None;
        }
        self.writes = true;
        let columns = self.file.tables[table].clone();
        let mut values = Vec::new();
        for (name, ty) in &columns {
            if matches!(ty, Ty::Option(_)) && self.one_in(3) {
                continue;
            }
            values.push(format!("{name} = {}", self.expr(ty, depth, true)));
        }
        Some(format!("t{table}.insert({})", values.join(", ")))
    }

    /// An expression that nests no further than it must.
    pub(super) fn leaf(&mut self, ty: &Ty, known: bool) -> String {
        if !self.one_in(5)
            && let Some(name) = self.variable(ty)
        {
            return name;
        }
        let parameter = self.file.parameters.iter().position(|t| t == ty);
        if let Some(id) = parameter
            && self.one_in(3)
        {
            return format!("p{id}");
        }
        match ty {
            Ty::Int if self.one_in(12) => self.random.pick(&EDGES).into(),
            Ty::Int => format!("{}", self.below(9)),
            Ty::Float => self.random.pick(&FLOATS).into(),
            Ty::Bool => self.random.pick(&["True", "False"]).into(),
            Ty::Str => format!("\"{}\"", self.random.pick(&TEXTS)),
            Ty::Money => format!("money_of(\"{}\")", self.random.pick(&AMOUNTS)),
            Ty::Date if self.one_in(3) => "today()".into(),
            Ty::Date => format!("date_of(\"{}\")", self.random.pick(&DATES)),
            Ty::Enum(id) => {
                let case = self.random.pick(&self.file.enums[*id].clone());
                if known {
                    return format!("\"{case}\"");
                }
                format!("{}(\"{case}\")", self.file.lender(ty))
            }
            Ty::Key(table) => format!("{}.id", self.leaf(&Ty::Row(*table), false)),
            Ty::Row(table) => match self.variable(&Ty::Key(*table)) {
                Some(key) if !self.one_in(4) => format!("t{table}.get({key})"),
                _ if self.one_in(8) => format!("[r for r in t{table}][1]"),
                _ => format!("[r for r in t{table}][0]"),
            },
            Ty::Record(id) => {
                let fields = self.file.records[*id].clone();
                let values: Vec<String> =
                    fields.iter().map(|(name, ty)| format!("{name} = {}", self.leaf(ty, true))).collect();
                format!("Part{id}({})", values.join(", "))
            }
            Ty::Option(_) if known => "None".into(),
            Ty::Option(_) => format!("{}(None)", self.file.lender(ty)),
            // Most lists have elements, or most of what is asked of them would fail.
            Ty::List(inner) if !self.one_in(5) => {
                let items: Vec<String> = (0..=self.below(2)).map(|_| self.leaf(inner, known)).collect();
                format!("[{}]", items.join(", "))
            }
            Ty::Dict(..) => unreachable!("dicts are only taken from variables"),
            Ty::List(_) if known => "[]".into(),
            Ty::List(_) => format!("empty({})", self.file.name(ty)),
        }
    }
}

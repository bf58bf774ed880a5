//! Conditions, with what they prove about options: the checker narrows a variable after a test, and so must the generator.

use super::scope::Body;
use super::types::Ty;

/// A condition.
pub(super) struct Condition {
    pub(super) text: String,
    /// Variables that are not `None` when it is true, and when it is false.
    pub(super) yes: Vec<String>,
    pub(super) no: Vec<String>,
}

impl Condition {
    fn plain(text: String) -> Condition {
        Condition { text, yes: Vec::new(), no: Vec::new() }
    }
}

fn common(a: &[String], b: &[String]) -> Vec<String> {
    a.iter().filter(|name| b.contains(name)).cloned().collect()
}

impl Body<'_> {
    pub(super) fn condition(&mut self, depth: usize) -> Condition {
        if depth == 0 {
            return Condition::plain(self.bool_leaf());
        }
        match self.below(12) {
            0 => self.logic(depth, "and"),
            1 => self.logic(depth, "or"),
            2 => {
                let Condition { text, yes, no } = self.condition(depth - 1);
                Condition { text: format!("(not {text})"), yes: no, no: yes }
            }
            3 | 4 => self.none_test(depth),
            5 => self.option_equality(depth),
            _ => Condition::plain(self.bool_value(depth)),
        }
    }

    fn logic(&mut self, depth: usize, word: &str) -> Condition {
        let left = self.condition(depth - 1);
        let known = if word == "and" { &left.yes } else { &left.no };
        let right = self.knowing(known, |b| b.condition(depth - 1));
        let text = format!("({} {word} {})", left.text, right.text);
        if word == "and" {
            Condition { text, yes: [left.yes, right.yes].concat(), no: common(&left.no, &right.no) }
        } else {
            Condition { text, yes: common(&left.yes, &right.yes), no: [left.no, right.no].concat() }
        }
    }

    /// `x != None`, of a variable or of an expression that the checker does not follow.
    fn none_test(&mut self, depth: usize) -> Condition {
        let negate = self.one_in(2);
        let sign = if negate { "!=" } else { "==" };
        let variable = self.variable_where(|v| matches!(v.ty, Ty::Option(_)));
        if let Some(variable) = variable {
            let text = if self.one_in(5) {
                format!("(None {sign} {})", variable.name)
            } else {
                format!("({} {sign} None)", variable.name)
            };
            let known = vec![variable.name];
            return if negate {
                Condition { text, yes: known, no: Vec::new() }
            } else {
                Condition { text, yes: Vec::new(), no: known }
            };
        }
        let table = self.table();
        let key = self.expr(&Ty::Key(table), depth - 1, true);
        Condition::plain(format!("(t{table}.find({key}) {sign} None)"))
    }

    /// `x == value` of an optional variable: true only when it is there.
    fn option_equality(&mut self, depth: usize) -> Condition {
        let fits = |ty: &Ty| matches!(ty, Ty::Option(_)) && ty.is_comparable();
        let Some(variable) = self.variable_where(|v| !v.present && fits(&v.ty)) else {
            return Condition::plain(self.bool_value(depth));
        };
        let Ty::Option(inner) = &variable.ty else { return Condition::plain("True".into()) };
        // A conditional would take the option's type from the variable, and prove nothing.
        let value = match self.below(3) {
            0 => format!("{}({})", self.file.lender(inner), self.expr(inner, depth - 1, true)),
            _ => self.leaf(inner, false),
        };
        let equal = self.one_in(2);
        let sign = if equal { "==" } else { "!=" };
        let text = if self.one_in(2) {
            format!("({} {sign} {value})", variable.name)
        } else {
            format!("({value} {sign} {})", variable.name)
        };
        let known = vec![variable.name];
        if equal {
            Condition { text, yes: known, no: Vec::new() }
        } else {
            Condition { text, yes: Vec::new(), no: known }
        }
    }

    /// A condition that proves nothing.
    fn bool_value(&mut self, depth: usize) -> String {
        let below = depth - 1;
        match self.below(16) {
            13 | 14 => self.text_question(below),
            15 => self.dict_question(below).unwrap_or_else(|| self.bool_leaf()),
            0 | 1 => {
                let ty = self.ordered();
                let sign = self.random.pick(&["<", "<=", ">", ">="]);
                format!("({} {sign} {})", self.expr(&ty, below, false), self.expr(&ty, below, false))
            }
            2..=4 => {
                let sign = self.random.pick(&["==", "!="]);
                let ty = match self.below(6) {
                    0 => Ty::Row(self.table()),
                    1 => Ty::Bool,
                    2 => self.ordered().option(),
                    _ => self.ordered(),
                };
                self.equality(&ty, sign, below)
            }
            5 | 6 => {
                let ty = match self.below(4) {
                    0 => Ty::Row(self.table()),
                    1 => Ty::Bool,
                    _ => self.ordered(),
                };
                let word = self.random.pick(&["in", "not in"]);
                let list = self.expr(&ty.clone().list(), below, false);
                format!("({} {word} {list})", self.expr(&ty, below, false))
            }
            7 => {
                let word = self.random.pick(&["in", "not in"]);
                format!("({} {word} {})", self.expr(&Ty::Str, below, false), self.expr(&Ty::Str, below, false))
            }
            8 => {
                let word = self.random.pick(&["startswith", "endswith"]);
                let text = self.expr(&Ty::Str, below, false);
                format!("{text}.{word}({})", self.expr(&Ty::Str, below, true))
            }
            9 | 10 => {
                let word = self.random.pick(&["any", "all"]);
                format!("{word}({})", self.expr(&Ty::Bool.list(), below, true))
            }
            _ => self.common_form(&Ty::Bool, depth, false).unwrap_or_else(|| self.bool_leaf()),
        }
    }

    /// Equality of two values of exactly this type: an optional variable does not stand there bare, because that would prove something.
    fn equality(&mut self, ty: &Ty, sign: &str, depth: usize) -> String {
        if let Ty::Enum(id) = ty
            && self.one_in(2)
        {
            let case = self.random.pick(&self.file.enums[*id].clone());
            return format!("({} {sign} \"{case}\")", self.expr(ty, depth, false));
        }
        let (left, right) = (self.expr(ty, depth, false), self.expr(ty, depth, false));
        if let Ty::Option(_) = ty {
            let lender = self.file.lender(ty);
            return format!("({lender}({left}) {sign} {right})");
        }
        // A row compares with a key of its table.
        if let Ty::Row(table) = ty
            && self.one_in(2)
        {
            return format!("({left} {sign} {})", self.expr(&Ty::Key(*table), depth, false));
        }
        format!("({left} {sign} {right})")
    }

    /// A type with an order.
    pub(super) fn ordered(&mut self) -> Ty {
        loop {
            let ty = self.file.scalar(self.random);
            if ty.is_ordered() {
                return ty;
            }
        }
    }

    fn bool_leaf(&mut self) -> String {
        match self.variable(&Ty::Bool) {
            Some(name) if !self.one_in(4) => name,
            _ => match self.below(4) {
                0 => "True".into(),
                1 => "(1 > 2)".into(),
                2 => format!("(len(t{}) > {})", self.table(), self.below(4)),
                _ => format!("({} < {})", self.leaf(&Ty::Int, false), self.leaf(&Ty::Int, false)),
            },
        }
    }
}

//! Dicts and tuples, which live in variables of a body only.

use super::scope::Body;
use super::statements::line;
use super::types::Ty;

/// Nesting of the expressions in these statements.
const DEPTH: usize = 2;

impl Body<'_> {
    /// A dict in a new variable: from a loop over a list, from a comprehension, or entry by entry.
    pub(super) fn dict(&mut self, indent: usize, out: &mut String) {
        let (key, value) = (self.dict_key(), self.dict_value());
        let name = self.fresh();
        let written = format!("dict[{}, {}]", self.file.name(&key), self.file.name(&value));
        match self.below(3) {
            0 => {
                let table = self.table();
                let row = self.fresh();
                let (k, v) = self.with(&row, Ty::Row(table), |b| {
                    b.quiet(|b| (b.expr(&key, DEPTH, false), b.expr(&value, DEPTH, false)))
                });
                line(out, indent, &format!("{name}: {written} = {{{k}: {v} for {row} in t{table}}}"));
            }
            1 => {
                line(out, indent, &format!("{name}: {written} = {{}}"));
                let list = self.expr(&key.clone().list(), DEPTH, false);
                let item = self.fresh();
                line(out, indent, &format!("for {item} in {list}:"));
                let v = self.with(&item, key.clone(), |b| b.expr(&value, DEPTH, true));
                line(out, indent + 1, &format!("{name}[{item}] = {v}"));
            }
            _ => {
                line(out, indent, &format!("{name}: {written} = {{}}"));
                for _ in 0..=self.below(3) {
                    let (k, v) = (self.expr(&key, DEPTH, true), self.expr(&value, DEPTH, true));
                    line(out, indent, &format!("{name}[{k}] = {v}"));
                }
            }
        }
        self.declare(&name, Ty::Dict(Box::new(key), Box::new(value)), false);
    }

    fn dict_key(&mut self) -> Ty {
        loop {
            let ty = self.file.scalar(self.random);
            if ty != Ty::Float {
                return ty;
            }
        }
    }

    fn dict_value(&mut self) -> Ty {
        let ty = self.file.scalar(self.random);
        if self.one_in(4) { ty.list() } else { ty }
    }

    /// A dict's variable, its keys' type and its values'.
    fn dict_where(&mut self, passes: impl Fn(&Ty, &Ty) -> bool) -> Option<(String, Ty, Ty)> {
        let found = self.variable_where(|v| matches!(&v.ty, Ty::Dict(key, value) if passes(key, value)))?;
        let Ty::Dict(key, value) = found.ty else { return None };
        Some((found.name, *key, *value))
    }

    /// What a dict in reach gives of this type.
    pub(super) fn of_dict(&mut self, ty: &Ty, depth: usize) -> Option<String> {
        if let Ty::List(inner) = ty
            && self.one_in(2)
        {
            let (name, key, _) = self.dict_where(|key, value| key == &**inner || value == &**inner)?;
            return Some(if key == **inner { format!("{name}.keys()") } else { format!("{name}.values()") });
        }
        if *ty == Ty::Int && self.one_in(3) {
            let (name, ..) = self.dict_where(|_, _| true)?;
            return Some(format!("len({name})"));
        }
        if let Ty::Option(inner) = ty {
            let (name, key, _) = self.dict_where(|_, value| value == &**inner)?;
            return Some(format!("{name}.get({})", self.expr(&key, depth, true)));
        }
        let (name, key, value) = self.dict_where(|_, value| value == ty)?;
        let wanted = self.expr(&key, depth, true);
        Some(match self.below(3) {
            0 => format!("{name}[{wanted}]"),
            _ => format!("{name}.get({wanted}, {})", self.expr(&value, depth, true)),
        })
    }

    /// `key in d`.
    pub(super) fn dict_question(&mut self, depth: usize) -> Option<String> {
        let (name, key, _) = self.dict_where(|_, _| true)?;
        Some(format!("({} in {name})", self.expr(&key, depth, false)))
    }

    /// A loop over pairs: `enumerate`, `zip`, or a dict's items.
    pub(super) fn pair_loop(&mut self, indent: usize, out: &mut String) {
        let items = if self.one_in(2) { self.dict_where(|_, _| true) } else { None };
        let (over, first, second) = match items {
            Some((name, key, value)) => (format!("{name}.items()"), key, value),
            None => {
                let second = self.file.any(self.random, 1);
                let list = self.expr(&second.clone().list(), DEPTH, false);
                if self.one_in(2) {
                    (format!("enumerate({list})"), Ty::Int, second)
                } else {
                    let first = self.file.any(self.random, 1);
                    (format!("zip({}, {list})", self.expr(&first.clone().list(), DEPTH, false)), first, second)
                }
            }
        };
        let (one, other) = (self.fresh(), self.fresh());
        line(out, indent, &format!("for {one}, {other} in {over}:"));
        let before = self.variables.clone();
        self.declare(&one, first, false);
        self.declare(&other, second, false);
        self.loops += 1;
        self.block(indent + 1, out);
        self.loops -= 1;
        self.variables = before;
    }

    /// `a, b = x, y`.
    pub(super) fn unpacking(&mut self, indent: usize, out: &mut String) {
        let (first, second) = (self.file.any(self.random, 1), self.file.any(self.random, 1));
        let (one, other) = (self.fresh(), self.fresh());
        let values = (self.expr(&first, DEPTH, false), self.expr(&second, DEPTH, false));
        line(out, indent, &format!("{one}, {other} = ({}, {})", values.0, values.1));
        self.declare(&one, first, true);
        self.declare(&other, second, true);
    }
}

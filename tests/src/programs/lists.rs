//! List expressions.

use super::scope::Body;
use super::types::Ty;

impl Body<'_> {
    pub(super) fn list(&mut self, inner: &Ty, depth: usize, known: bool) -> String {
        let below = depth - 1;
        let ty = inner.clone().list();
        match self.below(8) {
            0 | 1 => {
                let items: Vec<String> = (0..=self.below(3)).map(|_| self.expr(inner, below, known)).collect();
                format!("[{}]", items.join(", "))
            }
            2 => format!("({} + {})", self.expr(&ty, below, false), self.expr(&ty, below, false)),
            3 => {
                let list = self.expr(&ty, below, false);
                let (start, stop) = (self.bound(below), self.bound(below));
                format!("{list}[{start}:{stop}]")
            }
            4 => self.sorted(inner, below),
            _ => self.comprehension(inner, depth, known),
        }
    }

    /// A bound of a slice: nothing, or a number that is not written as a negative one.
    fn bound(&mut self, depth: usize) -> String {
        match self.below(4) {
            0 => String::new(),
            1 | 2 => self.below(4).to_string(),
            _ => format!("({} + 0)", self.expr(&Ty::Int, depth, false)),
        }
    }

    fn sorted(&mut self, inner: &Ty, depth: usize) -> String {
        let list = self.expr(&inner.clone().list(), depth, false);
        let reverse = self.random.pick(&["", ", reverse = True", ", reverse = False"]);
        if inner.is_ordered() && self.one_in(2) {
            return format!("sorted({list}{reverse})");
        }
        let name = self.fresh();
        let by = self.ordered();
        let key = self.with(&name, inner.clone(), |b| b.quiet(|b| b.expr(&by, depth, false)));
        format!("sorted({list}, key = lambda {name}: {key}{reverse})")
    }

    fn comprehension(&mut self, inner: &Ty, depth: usize, known: bool) -> String {
        let below = depth - 1;
        let name = self.fresh();
        let (over, element) = match self.below(4) {
            0 | 1 => {
                let table = self.table();
                (format!("t{table}"), Ty::Row(table))
            }
            2 => (self.range(below), Ty::Int),
            _ => {
                let element = if self.one_in(2) { inner.clone() } else { self.file.any(self.random, 1) };
                (self.expr(&element.clone().list(), below, false), element)
            }
        };
        self.with(&name, element, |b| {
            let mut condition = String::new();
            let mut known_present = Vec::new();
            if b.one_in(2) {
                let test = b.condition(below);
                condition = format!(" if {}", test.text);
                known_present = test.yes;
            }
            let value = b.knowing(&known_present, |b| b.expr(inner, below, known));
            format!("[{value} for {name} in {over}{condition}]")
        })
    }

    /// A range of a few numbers.
    pub(super) fn range(&mut self, depth: usize) -> String {
        match self.below(4) {
            0 => format!("range({})", self.below(5)),
            1 => format!("range({}, {})", self.below(3), self.below(6)),
            2 => format!("range(min({}, 5))", self.expr(&Ty::Int, depth, false)),
            _ => format!("range(max({}, -2), 3)", self.expr(&Ty::Int, depth, false)),
        }
    }

    /// Lets something be written that writes no rows. Keys of a sort are such: the order in which they are computed is not promised.
    pub(super) fn quiet<T>(&mut self, write: impl FnOnce(&mut Self) -> T) -> T {
        let may = std::mem::replace(&mut self.may_write, false);
        let result = write(self);
        self.may_write = may;
        result
    }
}

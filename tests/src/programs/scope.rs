//! What a body knows while it is written: variables, which of them are certainly there, and what it may still do.

use super::types::{File, Signature, Ty};
use crate::support::Random;

/// A variable.
#[derive(Clone, Debug)]
pub(super) struct Variable {
    pub(super) name: String,
    /// As declared.
    pub(super) ty: Ty,
    /// An option that the checker knows not to be `None` here: it is used as its inner type.
    pub(super) present: bool,
    /// A body may assign it: not a loop's or a lambda's variable.
    pub(super) assignable: bool,
}

impl Variable {
    /// Type of a use of it.
    pub(super) fn used_as(&self) -> &Ty {
        match &self.ty {
            Ty::Option(inner) if self.present => inner,
            other => other,
        }
    }
}

/// A body being written.
pub(super) struct Body<'f> {
    pub(super) file: &'f mut File,
    pub(super) random: &'f mut Random,
    pub(super) variables: Vec<Variable>,
    /// Numbers given to names so far; a name is never used twice in a function.
    pub(super) names: usize,
    pub(super) returns: Option<Ty>,
    /// Whether it may write rows, and whether it has.
    pub(super) may_write: bool,
    pub(super) writes: bool,
    pub(super) loops: usize,
    /// Functions called must be declared before: no recursion.
    pub(super) callable: Vec<Signature>,
    /// Statements that may still be written.
    pub(super) budget: usize,
}

impl Body<'_> {
    pub(super) fn fresh(&mut self) -> String {
        self.names += 1;
        format!("v{}", self.names)
    }

    pub(super) fn declare(&mut self, name: &str, ty: Ty, assignable: bool) {
        self.variables.push(Variable { name: name.to_owned(), ty, present: false, assignable });
    }

    /// A variable whose use has exactly this type.
    pub(super) fn variable(&mut self, ty: &Ty) -> Option<String> {
        self.variable_where(|v| v.used_as() == ty).map(|v| v.name)
    }

    /// A random variable among those that pass.
    pub(super) fn variable_where(&mut self, passes: impl Fn(&Variable) -> bool) -> Option<Variable> {
        let found: Vec<&Variable> = self.variables.iter().filter(|v| passes(v)).collect();
        if found.is_empty() { None } else { Some(found[self.random.below(found.len())].clone()) }
    }

    /// Writes something under the knowledge that some variables are present.
    pub(super) fn knowing<T>(&mut self, present: &[String], write: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.variables.clone();
        self.learn(present);
        let result = write(self);
        self.variables = before;
        result
    }

    pub(super) fn learn(&mut self, present: &[String]) {
        for variable in &mut self.variables {
            variable.present |= present.contains(&variable.name);
        }
    }

    /// Writes something in which a further variable exists.
    pub(super) fn with<T>(&mut self, name: &str, ty: Ty, write: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.variables.clone();
        self.declare(name, ty, false);
        let result = write(self);
        self.variables = before;
        result
    }

    pub(super) fn one_in(&mut self, n: usize) -> bool {
        self.random.one_in(n)
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        self.random.below(n)
    }

    pub(super) fn table(&mut self) -> usize {
        self.random.below(self.file.tables.len())
    }
}

//! What is known at a place of a body: which locals are set, which options are not `None`, whether the place is reached.

use crate::tree::{BinaryOp, Expr, ExprKind};
use crate::types::{LocalId, Type};
use std::collections::BTreeSet;

/// Knowledge at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Locals that certainly have a value.
    pub assigned: BTreeSet<LocalId>,
    /// Option locals that certainly are not `None`.
    pub present: BTreeSet<LocalId>,
    /// Whether control gets here.
    pub reachable: bool,
}

impl Flow {
    /// At the start of a function: its parameters have values.
    pub fn start(parameters: usize) -> Self {
        Flow { assigned: (0..parameters).collect(), present: BTreeSet::new(), reachable: true }
    }

    /// Where two paths meet.
    pub fn join(self, other: Flow) -> Flow {
        if !self.reachable {
            return other;
        }
        if !other.reachable {
            return self;
        }
        Flow {
            assigned: self.assigned.intersection(&other.assigned).copied().collect(),
            present: self.present.intersection(&other.present).copied().collect(),
            reachable: true,
        }
    }

    /// With further locals known to be present.
    pub fn with(&self, present: &[LocalId]) -> Flow {
        let mut flow = self.clone();
        flow.present.extend(present);
        flow
    }
}

/// Locals proven not `None` when a condition is true, and when it is false.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// When true.
    pub yes: Vec<LocalId>,
    /// When false.
    pub no: Vec<LocalId>,
}

/// Facts of a condition.
pub fn facts(condition: &Expr) -> Facts {
    match &condition.kind {
        ExprKind::IsNone(of) => Facts { yes: Vec::new(), no: local(of) },
        ExprKind::Not(inner) => {
            let Facts { yes, no } = facts(inner);
            Facts { yes: no, no: yes }
        }
        ExprKind::And(left, right) => {
            let (left, right) = (facts(left), facts(right));
            Facts { yes: [left.yes, right.yes].concat(), no: common(&left.no, &right.no) }
        }
        ExprKind::Or(left, right) => {
            let (left, right) = (facts(left), facts(right));
            Facts { yes: common(&left.yes, &right.yes), no: [left.no, right.no].concat() }
        }
        ExprKind::Binary { op: op @ (BinaryOp::Equal | BinaryOp::NotEqual), left, right } => {
            let mut present = Vec::new();
            if matches!(right.kind, ExprKind::Some(_)) {
                present.extend(local(left));
            }
            if matches!(left.kind, ExprKind::Some(_)) {
                present.extend(local(right));
            }
            match op {
                BinaryOp::Equal => Facts { yes: present, no: Vec::new() },
                _ => Facts { yes: Vec::new(), no: present },
            }
        }
        _ => Facts::default(),
    }
}

fn local(expr: &Expr) -> Vec<LocalId> {
    match (&expr.kind, &expr.ty) {
        (ExprKind::Local(id), Type::Option(_)) => vec![*id],
        _ => Vec::new(),
    }
}

fn common(a: &[LocalId], b: &[LocalId]) -> Vec<LocalId> {
    a.iter().filter(|x| b.contains(x)).copied().collect()
}

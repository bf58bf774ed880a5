//! A suite whose tools trust the agent with the policy: what they would refuse with the code `policy` they carry out. Their declared
//! meaning stays, so whoever keeps to the policy sees no difference.

use terrarium_tools::Suite;
use terrarium_tools::tree::{Expr, ExprKind, Statement};

/// The code of refusals that are a matter of policy.
const POLICY: &str = "policy";

/// The suite without its tools' own checks of the policy.
pub fn lenient(suite: &Suite) -> Suite {
    let mut suite = suite.clone();
    for function in &mut suite.functions {
        relax(&mut function.body, false);
    }
    suite
}

/// A `fail` is only taken out of loops: elsewhere a path of the function may end with it.
fn relax(body: &mut Vec<Statement>, in_loop: bool) {
    body.retain(|statement| match statement {
        Statement::Require { condition, code, .. } => code != POLICY || proves_presence(condition),
        Statement::Fail { code, .. } => code != POLICY || !in_loop,
        _ => true,
    });
    for statement in body {
        match statement {
            Statement::If { arms, otherwise } => {
                for (_, inner) in arms {
                    relax(inner, in_loop);
                }
                relax(otherwise, in_loop);
            }
            Statement::For { body, .. } => relax(body, true),
            _ => {}
        }
    }
}

/// Whether later statements may rely on a condition to know that an optional value is there.
fn proves_presence(condition: &Expr) -> bool {
    match &condition.kind {
        ExprKind::IsNone(_) => true,
        ExprKind::Not(inner) => proves_presence(inner),
        ExprKind::And(left, right) | ExprKind::Or(left, right) => proves_presence(left) || proves_presence(right),
        ExprKind::Binary { left, right, .. } => proves_presence(left) || proves_presence(right),
        _ => false,
    }
}

//! Which tools an environment offers, in which order and with how many words.
//!
//! A subset keeps what its tools need: a read tool goes only where another one finds the same rows with at least its columns and
//! filters, or where its meaning is not declared. So whatever can be described in the full suite can be looked up in every subset.

use crate::seed::Dice;
use crate::vary::naming::{self, Naming};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use terrarium_tools::suite::{Finds, Suite};
use terrarium_tools::surface::{Surface, SurfaceTool};
use terrarium_tools::tree::{Expr, ExprKind, Literal};
use terrarium_tools::types::{TableId, Type};

/// How many words the descriptions have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verbosity {
    /// Tools and parameters described as the suite does.
    Full,
    /// Tools by their first sentence, parameters as the suite does.
    Short,
    /// Tools by their first sentence, parameters by name only.
    Brief,
}

/// How an environment shows its suite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SurfacePlan {
    /// Canonical names of the tools offered, in the order shown.
    pub tools: Vec<String>,
    /// Naming.
    pub naming: Naming,
    /// Descriptions.
    pub verbosity: Verbosity,
    /// Seed of the order of parameters.
    pub order: u64,
}

/// How many tools a surface offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breadth {
    /// At most six, for models with a short context.
    Pocket,
    /// Some write tools left out.
    Subset,
    /// All.
    Full,
}

/// Tools of a pocket surface.
pub const POCKET_TOOLS_MAX: usize = 6;

/// A random plan.
pub fn draw(suite: &Suite, breadth: Breadth, dice: &mut Dice) -> SurfacePlan {
    let mut tools = match breadth {
        Breadth::Full => (0..suite.tools.len()).collect(),
        Breadth::Subset => subset(suite, dice),
        Breadth::Pocket => pocket(suite, dice),
    };
    dice.shuffle(&mut tools);
    let verbosity = match breadth {
        Breadth::Pocket => Verbosity::Brief,
        _ => [Verbosity::Full, Verbosity::Short, Verbosity::Brief][dice.weighted(&[6, 3, 1])],
    };
    SurfacePlan {
        tools: tools.iter().map(|t| suite.tools[*t].name.clone()).collect(),
        naming: Naming::draw(&suite.name, dice),
        verbosity,
        order: dice.between(0, i64::MAX) as u64,
    }
}

/// The surface of a plan.
pub fn build(suite: &Suite, plan: &SurfacePlan, parameters: Vec<Literal>) -> Surface {
    let mut dice = Dice::new(plan.order, "parameter order");
    let own: Vec<String> = plan.tools.clone();
    let shown = naming::distinct(&own, own.iter().map(|n| plan.naming.tool(n)).collect());
    let tools = own.iter().zip(shown).filter_map(|(own, name)| {
        let tool = suite.tools.iter().position(|t| t.name == *own)?;
        let function = &suite.functions[suite.tools[tool].function];
        let own: Vec<String> = function.parameters.iter().map(|p| p.name.clone()).collect();
        let names = naming::distinct(&own, own.iter().map(|n| plan.naming.parameter(n)).collect());
        let mut order: Vec<usize> = (0..own.len()).collect();
        dice.shuffle(&mut order);
        let parameters = order
            .into_iter()
            .map(|p| {
                let doc = match plan.verbosity {
                    Verbosity::Brief => String::new(),
                    _ => function.parameters[p].doc.clone(),
                };
                (p, names[p].clone(), doc)
            })
            .collect();
        let doc = match plan.verbosity {
            Verbosity::Full => function.doc.clone(),
            _ => first_sentence(&function.doc).to_owned(),
        };
        Some(SurfaceTool { tool, name, doc, parameters })
    });
    Surface { tools: tools.collect(), parameters }
}

fn first_sentence(doc: &str) -> &str {
    match doc.find(". ") {
        Some(end) => &doc[..=end],
        None => doc,
    }
}

/// Some write tools and spare read tools left out.
fn subset(suite: &Suite, dice: &mut Dice) -> Vec<usize> {
    let writes: Vec<usize> = (0..suite.tools.len()).filter(|t| suite.tools[*t].writes).collect();
    let mut dropped: BTreeSet<usize> = BTreeSet::new();
    let most = writes.len().saturating_sub(3).min(writes.len() / 2);
    let mut order = writes;
    let count = dice.below(most + 1);
    dice.shuffle(&mut order);
    dropped.extend(order.into_iter().take(count));
    for (index, tool) in suite.tools.iter().enumerate() {
        if tool.writes || !dice.percent(40) {
            continue;
        }
        let spare = match &tool.finds {
            None => true,
            Some(finds) => suite.tools.iter().enumerate().any(|(other, t)| {
                other != index
                    && !dropped.contains(&other)
                    && t.finds.as_ref().is_some_and(|f| covers(suite, f, other, finds))
            }),
        };
        if spare {
            dropped.insert(index);
        }
    }
    (0..suite.tools.len()).filter(|t| !dropped.contains(t)).collect()
}

/// Whether `better` finds what `finds` finds: the same table, a superset of columns and filters, and nothing it insists on.
fn covers(suite: &Suite, better: &Finds, tool: usize, finds: &Finds) -> bool {
    let function = &suite.functions[suite.tools[tool].function];
    let insists =
        function.parameters.iter().enumerate().any(|(i, p)| Some(i) != better.page && !matches!(p.ty, Type::Option(_)));
    better.table == finds.table
        && !better.single
        && !insists
        && finds.shows.iter().all(|(c, _)| better.shows.iter().any(|(b, _)| b == c))
        && finds.matches.iter().all(|(_, c, r)| *c == 0 || better.matches.iter().any(|(_, bc, br)| bc == c && br == r))
}

/// One or two write tools with the read tools of the tables they touch.
fn pocket(suite: &Suite, dice: &mut Dice) -> Vec<usize> {
    let mut writes: Vec<usize> = (0..suite.tools.len()).filter(|t| suite.tools[*t].writes).collect();
    dice.shuffle(&mut writes);
    let mut best: Option<Vec<usize>> = None;
    for count in [3, 2, 1] {
        for start in 0..writes.len() {
            let some: Vec<usize> = (0..count.min(writes.len())).map(|i| writes[(start + i) % writes.len()]).collect();
            let tables = tables_of(suite, &some);
            let mut tools = some;
            tools.extend(
                (0..suite.tools.len())
                    .filter(|t| suite.tools[*t].finds.as_ref().is_some_and(|f| tables.contains(&f.table))),
            );
            if tools.len() <= POCKET_TOOLS_MAX {
                return tools;
            }
            if best.as_ref().is_none_or(|b| tools.len() < b.len()) {
                best = Some(tools);
            }
        }
    }
    best.unwrap_or_else(|| (0..suite.tools.len()).collect())
}

/// Tables whose keys the tools take.
fn tables_of(suite: &Suite, tools: &[usize]) -> BTreeSet<TableId> {
    let keys = |ty: &Type| match ty {
        Type::Key(t) => Some(*t),
        Type::Option(inner) | Type::List(inner) => match **inner {
            Type::Key(t) => Some(t),
            _ => None,
        },
        _ => None,
    };
    tools
        .iter()
        .flat_map(|t| suite.functions[suite.tools[*t].function].parameters.iter())
        .filter_map(|p| keys(&p.ty))
        .collect()
}

/// The local variable that an expression is, without coercions around it.
pub fn bare_local(expr: &Expr) -> Option<usize> {
    match &expr.kind {
        ExprKind::Local(local) => Some(*local),
        ExprKind::Some(inner) | ExprKind::Unwrap(inner) | ExprKind::RowKey(inner) => bare_local(inner),
        _ => None,
    }
}

//! Functions of a generated file: helpers, tools, and what the tools that write declare.

use super::declarations::given;
use super::scope::{Body, Variable};
use super::statements::{End, line};
use super::types::{File, Signature, Ty};
use crate::support::Random;

/// A helper, which later functions may call.
pub(super) fn helper(file: &mut File, random: &mut Random, number: usize) -> String {
    let parameters = (0..random.below(4)).map(|i| {
        let ty = file.any(random, 1);
        let default = random.one_in(4) && default(&ty).is_some();
        (format!("a{i}"), ty, default)
    });
    let mut parameters: Vec<(String, Ty, bool)> = parameters.collect();
    // Defaults stand last.
    parameters.sort_by_key(|p| p.2);
    let returns = if random.one_in(6) { None } else { Some(file.any(random, 2)) };
    let signature = Signature { name: format!("h{number}"), parameters, returns, writes: false };
    let may_write = random.one_in(3);
    let (text, writes) = function(file, random, &signature, may_write, "");
    file.helpers.push(Signature { writes, ..signature });
    text
}

fn default(ty: &Ty) -> Option<&'static str> {
    match ty {
        Ty::Int => Some("7"),
        Ty::Str => Some("\"dflt\""),
        Ty::Bool => Some("True"),
        Ty::Money => Some("money_of(\"1.25\")"),
        Ty::Option(_) => Some("None"),
        _ => None,
    }
}

/// A tool: its function, and its `tool(..)`.
pub(super) fn tool(file: &mut File, random: &mut Random, number: usize) -> (String, String) {
    let count = if random.one_in(8) { 6 + random.below(9) } else { random.below(5) };
    let may_write = random.one_in(2);
    let parameters = (0..count).map(|i| {
        let ty = match file.argument(random) {
            // No source makes floats, which a tool that writes would need.
            Ty::Float if may_write => Ty::Int,
            Ty::Option(inner) if may_write && *inner == Ty::Float => Ty::Int.option(),
            ty => ty,
        };
        (format!("a{i}"), ty, false)
    });
    let parameters: Vec<(String, Ty, bool)> = parameters.collect();
    let returns = if random.one_in(10) { None } else { Some(file.any(random, 2)) };
    let name = format!("tool{number}");
    let signature = Signature { name: name.clone(), parameters, returns, writes: false };
    let (text, writes) = function(file, random, &signature, may_write, "    \"\"\"Generated.\"\"\"\n");
    if !writes {
        return (text, format!("tool({name})\n"));
    }
    let names: Vec<String> = signature.parameters.iter().map(|(name, ..)| format!("{{{name}}}")).collect();
    let gives = signature.parameters.iter().filter_map(|(name, ty, _)| Some((name, given(ty, random)?)));
    let gives: Vec<String> = gives.map(|(name, source)| format!("\"{name}\": {source}")).collect();
    let gives = if gives.is_empty() { String::new() } else { format!(", gives = {{{}}}", gives.join(", ")) };
    let ask = if names.is_empty() { "do it".to_owned() } else { format!("do {}", names.join(" and ")) };
    (text, format!("tool({name}, ask = [\"{ask}\"]{gives}, effect = [delete_all(t0, lambda r: False)])\n"))
}

/// Text of a function, and whether it writes. Functions that lend types come along.
fn function(file: &mut File, random: &mut Random, signature: &Signature, may_write: bool, doc: &str) -> (String, bool) {
    let lent = file.lent.len();
    let written: Vec<String> = signature
        .parameters
        .iter()
        .map(|(name, ty, optional)| match default(ty) {
            Some(value) if *optional => format!("{name}: {} = {value}", file.name(ty)),
            _ => format!("{name}: {}", file.name(ty)),
        })
        .collect();
    let returns = signature.returns.as_ref().map_or(String::new(), |ty| format!(" -> {}", file.name(ty)));
    let mut out = format!("def {}({}){returns}:\n{doc}", signature.name, written.join(", "));
    let variables = signature.parameters.iter().map(|(name, ty, _)| Variable {
        name: name.clone(),
        ty: ty.clone(),
        present: false,
        assignable: true,
    });
    let callable = file.helpers.clone();
    let mut body = Body {
        variables: variables.collect(),
        names: 0,
        returns: signature.returns.clone(),
        may_write,
        writes: false,
        loops: 0,
        callable,
        budget: 5 + random.below(12),
        file,
        random,
    };
    let mut end = End::Open;
    while body.budget > 0 && end == End::Open {
        body.budget -= 1;
        end = body.statement(1, &mut out);
    }
    if end == End::Open {
        let text = body.return_text();
        line(&mut out, 1, &text);
    }
    let writes = body.writes;
    let mut lenders = String::new();
    for at in lent..file.lent.len() {
        let ty = file.lent[at].clone();
        let (name, written) = (file.lender(&ty), file.name(&ty));
        lenders += &format!("def {name}(x: {written}) -> {written}:\n    return x\n\n");
    }
    (lenders + &out + "\n", writes)
}

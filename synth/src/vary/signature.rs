//! What counts as variety: the de-renamed ids of the tools that an environment offers, of their parameters, and of the tables they are
//! about. Neither synonyms nor linking changes an id: it is that of the suite the tool comes from.

use crate::vary::{Part, Recipe};
use std::collections::BTreeSet;
use terrarium_tools::Suite;
use terrarium_tools::suite::{Effect, Tool};
use terrarium_tools::surface::Surface;
use terrarium_tools::types::{TableId, Type};

/// `suite.tool(parameter, ..)` of each tool offered and `suite:table` of each table that one of them finds, takes a row of or changes;
/// sorted. Parameters come in the order of the suite.
pub fn of(suite: &Suite, recipe: &Recipe, surface: &Surface) -> Vec<String> {
    let mut tables: BTreeSet<TableId> = BTreeSet::new();
    let mut lines: Vec<String> = Vec::new();
    for offered in &surface.tools {
        let tool = &suite.tools[offered.tool];
        let parameters = &suite.functions[tool.function].parameters;
        let names: Vec<&str> = parameters.iter().map(|p| p.name.as_str()).collect();
        let (slug, name) = own(suite, &recipe.parts, offered.tool, &tool.name, |part| part.tools);
        lines.push(format!("{slug}.{name}({})", names.join(", ")));
        tables.extend(touched(tool));
        tables.extend(parameters.iter().filter_map(|p| key(&p.ty)));
    }
    for table in tables {
        let (slug, name) = own(suite, &recipe.parts, table, &suite.tables[table].name, |part| part.tables);
        lines.push(format!("{slug}:{name}"));
    }
    lines.sort_unstable();
    lines
}

/// The suite that something comes from, by its number among all of its sort, and its name there. Joining puts the slug before names
/// that two suites share.
fn own<'a>(
    suite: &'a Suite,
    parts: &'a [Part],
    index: usize,
    name: &'a str,
    size: impl Fn(&Part) -> usize,
) -> (&'a str, &'a str) {
    let mut end = 0;
    let part = parts.iter().find(|part| {
        end += size(part);
        index < end
    });
    let Some(part) = part else { return (&suite.name, name) };
    let prefix = part.suite.replace('-', "_");
    (&part.suite, name.strip_prefix(&prefix).and_then(|rest| rest.strip_prefix('_')).unwrap_or(name))
}

/// Tables whose rows a tool finds or changes.
fn touched(tool: &Tool) -> impl Iterator<Item = TableId> + '_ {
    let changed = tool.effects.iter().map(|effect| match effect {
        Effect::Insert { table, .. }
        | Effect::Update { table, .. }
        | Effect::UpdateAll { table, .. }
        | Effect::Delete { table, .. }
        | Effect::DeleteAll { table, .. } => *table,
    });
    changed.chain(tool.finds.iter().map(|finds| finds.table))
}

/// The table whose keys a type holds.
fn key(ty: &Type) -> Option<TableId> {
    match ty {
        Type::Key(table) => Some(*table),
        Type::Option(inner) | Type::List(inner) => key(inner),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vary::Draw;
    use crate::{library, link, vary};

    #[test]
    fn linking_changes_no_id() {
        let library = library::parsed().expect("the library checks");
        let (mut linked, mut seen) = (0, 0);
        for index in 0..60 {
            let stock = link::stock(library, 4, Draw::first(index));
            if stock.parts.is_empty() {
                continue;
            }
            linked += 1;
            let recipe = vary::recipe_of(&stock, 4, Draw::first(index));
            let made = vary::make(&stock.parsed.suite, recipe).expect("rows");
            for line in of(&stock.parsed.suite, &made.recipe, &made.surface) {
                let (slug, name) = line.split_once(['.', ':']).expect("a suite and a name");
                let suite = &library.iter().find(|s| s.suite.name == slug).expect("a suite of the library").suite;
                let known = match name.split_once('(') {
                    Some((tool, _)) => suite.tools.iter().any(|t| t.name == tool),
                    None => suite.tables.iter().any(|t| t.name == name),
                };
                assert!(known, "{line}");
                seen += 1;
            }
        }
        assert!(linked > 20 && seen > 500, "{linked} linked environments, {seen} ids");
    }
}

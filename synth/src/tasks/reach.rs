//! What an environment's read tools can show at all: which tables can be searched and which of their columns are ever seen. Goals are
//! only drawn from what can be seen; whether a particular goal can be carried out is for the planner to find.

use std::collections::BTreeSet;
use terrarium_tools::Suite;
use terrarium_tools::surface::Surface;
use terrarium_tools::types::{TableId, Type};

/// Tables and columns within reach of the read tools.
#[derive(Clone, Debug)]
pub struct Reach {
    searchable: Vec<bool>,
    listed: Vec<BTreeSet<usize>>,
    visible: Vec<BTreeSet<usize>>,
}

impl Reach {
    /// The reach of a surface.
    pub fn new(suite: &Suite, surface: &Surface) -> Self {
        let mut searchable = vec![false; suite.tables.len()];
        let mut by_key = vec![false; suite.tables.len()];
        let mut listed: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); suite.tables.len()];
        let mut freely: Vec<Vec<BTreeSet<usize>>> = vec![Vec::new(); suite.tables.len()];
        let mut single: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); suite.tables.len()];
        for shown in &surface.tools {
            let tool = &suite.tools[shown.tool];
            let Some(finds) = &tool.finds else { continue };
            let columns = finds.shows.iter().map(|(c, _)| *c);
            if finds.single {
                let function = &suite.functions[tool.function];
                let key_only = finds.matches.iter().any(|(_, c, _)| *c == 0)
                    && function.parameters.iter().enumerate().all(|(i, p)| {
                        matches!(p.ty, Type::Option(_)) || finds.matches.iter().any(|(p, c, _)| *p == i && *c == 0)
                    });
                if key_only {
                    by_key[finds.table] = true;
                    single[finds.table].extend(columns);
                }
            } else if finds.shows.iter().any(|(c, _)| *c == 0) {
                searchable[finds.table] = true;
                let function = &suite.functions[tool.function];
                let insists = function
                    .parameters
                    .iter()
                    .enumerate()
                    .any(|(i, p)| Some(i) != finds.page && !matches!(p.ty, Type::Option(_)));
                if !insists {
                    freely[finds.table].push(finds.shows.iter().map(|(c, _)| *c).collect());
                }
                listed[finds.table].extend(columns);
            }
        }
        let visible = (0..suite.tables.len())
            .map(|t| {
                let mut all = listed[t].clone();
                if by_key[t] {
                    all.extend(&single[t]);
                }
                all
            })
            .collect();
        // Of several listings, the one that shows most.
        let most = |all: &Vec<BTreeSet<usize>>| all.iter().max_by_key(|s| s.len()).cloned().unwrap_or_default();
        Reach { searchable, listed: freely.iter().map(most).collect(), visible }
    }

    /// Whether rows of the table can be searched for.
    pub fn searchable(&self, table: TableId) -> bool {
        self.searchable[table]
    }

    /// Whether one listing of all rows of the table shows the column.
    pub fn listed(&self, table: TableId, column: usize) -> bool {
        self.listed[table].contains(&column)
    }

    /// Whether a column of the table is ever shown.
    pub fn visible(&self, table: TableId, column: usize) -> bool {
        self.visible[table].contains(&column)
    }
}

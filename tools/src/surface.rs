//! The face a suite shows in one environment: which tools, under which names and in which order.

use crate::suite::Suite;
use crate::tree::Literal;
use serde::{Deserialize, Serialize};

/// The tool surface and policy parameters of one environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Surface {
    /// The tools offered, in the order they are shown.
    pub tools: Vec<SurfaceTool>,
    /// One value a policy parameter of the suite.
    pub parameters: Vec<Literal>,
}

/// One tool of the surface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SurfaceTool {
    /// Index in [`Suite::tools`].
    pub tool: usize,
    /// Name shown, lower snake case.
    pub name: String,
    /// Description shown.
    pub doc: String,
    /// Parameters in the order shown: (index in the function's parameters, name shown, description shown).
    pub parameters: Vec<(usize, String, String)>,
}

impl Surface {
    /// All tools under their own names, parameters at their defaults.
    pub fn plain(suite: &Suite) -> Self {
        let tools = suite.tools.iter().enumerate().map(|(tool, t)| {
            let function = &suite.functions[t.function];
            let parameters =
                function.parameters.iter().enumerate().map(|(i, p)| (i, p.name.clone(), p.doc.clone())).collect();
            SurfaceTool { tool, name: t.name.clone(), doc: function.doc.clone(), parameters }
        });
        Surface { tools: tools.collect(), parameters: suite.parameters.iter().map(|p| p.default.clone()).collect() }
    }
}

//! Variation: one suite, many environments. A [`Recipe`] is everything an environment is made from; building it is pure.

pub mod data;
pub mod lenient;
pub mod naming;
pub mod signature;
pub mod surface;
pub mod words;

use crate::error::{Error, Result};
use crate::link::Stock;
use crate::seed::Dice;
use data::{DataPlan, Size};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use surface::{Breadth, SurfacePlan};
use terrarium_envs::environment::{Environment, Split, component_digest, environment_id};
use terrarium_envs::system;
use terrarium_envs::tool::ToolSpec;
use terrarium_tools::suite::KeyStyle;
use terrarium_tools::surface::Surface;
use terrarium_tools::tree::Literal;
use terrarium_tools::value::World;
use terrarium_tools::{Suite, compile, schema};

/// Everything an environment is made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// Slug of the suite.
    pub suite: String,
    /// blake3 of the suite's source, 16 hex digits: another text is another world.
    pub source: String,
    /// What a linked suite was put together from; empty for one suite alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// Policy parameters by name.
    pub parameters: Vec<(String, Literal)>,
    /// Data.
    pub data: DataPlan,
    /// Surface.
    pub surface: SurfacePlan,
    /// Whether the tools leave the policy's rules to the agent: they refuse nothing with the code `policy`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lenient: bool,
}

/// Which candidate, and how often it was drawn again because it was too much like an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// Number of the candidate.
    pub index: u64,
    /// 0 for the first draw.
    pub attempt: u8,
}

impl Draw {
    /// The first draw of a candidate.
    pub fn first(index: u64) -> Draw {
        Draw { index, attempt: 0 }
    }

    /// Its name among random streams.
    pub fn name(self) -> String {
        if self.attempt == 0 { self.index.to_string() } else { format!("{}/{}", self.index, self.attempt) }
    }
}

/// A suite of the library inside a linked one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its slug.
    pub suite: String,
    /// blake3 of its source, 16 hex digits.
    pub source: String,
    /// Tables it brings.
    pub tables: usize,
    /// Tools it brings.
    pub tools: usize,
}

/// Worlds of a hundred whose tools leave the policy to the agent.
const LENIENT_PERCENT: u32 = 40;

/// First day of the span that worlds' dates are drawn from: 2025-01-06.
const TODAY_FIRST: i64 = 20_094;
/// Its length in days.
const TODAY_SPAN: i64 = 900;

/// The recipe of candidate `index`, from one suite alone.
pub fn recipe(suite: &Suite, source_digest: &str, seed: u64, index: u64) -> Recipe {
    let mut dice = Dice::new(seed, &format!("recipe/{}/{index}", suite.name));
    let breadth = [Breadth::Pocket, Breadth::Subset, Breadth::Full][dice.weighted(&[15, 65, 20])];
    drawn(suite, source_digest, breadth, seed, index, &mut dice)
}

/// The recipe of a candidate from its stock.
pub fn recipe_of(stock: &Stock<'_>, seed: u64, draw: Draw) -> Recipe {
    let suite = &stock.parsed.suite;
    let mut dice = Dice::new(seed, &format!("recipe/{}/{}", suite.name, draw.name()));
    let breadth = match (stock.pocket, stock.parts.is_empty()) {
        (true, _) => Breadth::Pocket,
        (false, true) => [Breadth::Subset, Breadth::Full][dice.weighted(&[65, 20])],
        // The tools of several suites are many enough.
        (false, false) => Breadth::Subset,
    };
    let mut recipe = drawn(suite, &stock.parsed.digest, breadth, seed, draw.index, &mut dice);
    recipe.parts.clone_from(&stock.parts);
    recipe.data.links.clone_from(&stock.links);
    recipe
}

fn drawn(suite: &Suite, source_digest: &str, breadth: Breadth, seed: u64, index: u64, dice: &mut Dice) -> Recipe {
    let size = match breadth {
        Breadth::Pocket => Size::Small,
        _ => [Size::Small, Size::Medium, Size::Large][dice.weighted(&[3, 5, 2])],
    };
    let parameters = suite
        .parameters
        .iter()
        .map(|p| {
            let value =
                if dice.percent(40) { p.default.clone() } else { dice.pick(&p.choices).unwrap_or(&p.default).clone() };
            (p.name.clone(), value)
        })
        .collect();
    let mut locales: Vec<&str> = words::LOCALES.iter().map(|l| l.name).collect();
    dice.shuffle(&mut locales);
    locales.truncate(1 + dice.below(3));
    locales.sort_unstable();
    let style = dice.weighted(&[4, 2, 1, 1]);
    let keys = suite
        .tables
        .iter()
        .map(|t| match style {
            0 => t.key.clone(),
            1 => KeyStyle { separator: "-".to_owned(), ..t.key.clone() },
            2 => KeyStyle { separator: String::new(), width: t.key.width + 1, ..t.key.clone() },
            _ => KeyStyle { prefix: t.key.prefix.to_lowercase(), separator: "_".to_owned(), width: t.key.width },
        })
        .collect();
    let data = DataPlan {
        seed: terrarium_envs::random::derive(seed, &format!("world/{}/{index}", suite.name)),
        size,
        locales: locales.into_iter().map(str::to_owned).collect(),
        today: (TODAY_FIRST + dice.between(0, TODAY_SPAN - 1)) as i32,
        keys,
        links: Vec::new(),
    };
    let surface = surface::draw(suite, breadth, dice);
    let lenient = dice.percent(LENIENT_PERCENT);
    Recipe {
        suite: suite.name.clone(),
        source: source_digest.to_owned(),
        parts: Vec::new(),
        parameters,
        data,
        surface,
        lenient,
    }
}

/// A recipe carried out, short of compiling.
pub struct Made {
    /// The recipe.
    pub recipe: Recipe,
    /// The rows.
    pub world: World,
    /// The tools and policy parameters.
    pub surface: Surface,
}

/// Rows and surface of a recipe.
///
/// # Errors
/// When a derived column cannot be computed.
pub fn make(suite: &Suite, recipe: Recipe) -> Result<Made> {
    let parameters: Vec<Literal> = recipe.parameters.iter().map(|(_, v)| v.clone()).collect();
    let world = data::world(suite, &parameters, &recipe.data)?;
    let surface = surface::build(suite, &recipe.surface, parameters);
    Ok(Made { recipe, world, surface })
}

/// The runnable environment: compiled, named, with its system message.
///
/// # Errors
/// When the world does not compile: a fault of the compiler or of world generation.
pub fn environment(suite: &Suite, made: &Made, split: Split, index: u64) -> Result<Environment> {
    let fault = |source| Error::Compile { suite: suite.name.clone(), index, source };
    let compiled = if made.recipe.lenient {
        compile::compile(&lenient::lenient(suite), &made.surface, &made.world)
    } else {
        compile::compile(suite, &made.surface, &made.world)
    };
    let compiled = compiled.map_err(fault)?;
    let recipe = serde_json::to_value(&made.recipe)?;
    let tools = schema::tool_schemas(suite, &made.surface)
        .into_iter()
        .map(|t| ToolSpec { name: t.name, description: t.description, parameters: t.parameters, writes: t.writes })
        .collect();
    Ok(Environment {
        id: environment_id(&suite.name, &recipe),
        suite: suite.name.clone(),
        title: suite.title.clone(),
        domain: suite.domain.clone(),
        split,
        system: system::message(&suite.title, &policy_text(suite, &made.surface.parameters), made.world.today),
        tools,
        digest: component_digest(&compiled.component),
        component: Arc::new(compiled.component),
        recipe,
        signature: signature::of(suite, &made.recipe, &made.surface),
    })
}

/// A world of a suite with its default policy parameters, for looking at and trying out.
///
/// # Errors
/// When a derived column cannot be computed.
pub fn sample_world(suite: &Suite, seed: u64) -> Result<World> {
    let parameters: Vec<Literal> = suite.parameters.iter().map(|p| p.default.clone()).collect();
    let plan = DataPlan {
        seed,
        size: Size::Medium,
        locales: vec![words::LOCALES[0].name.to_owned()],
        today: TODAY_FIRST as i32,
        keys: suite.tables.iter().map(|t| t.key.clone()).collect(),
        links: Vec::new(),
    };
    data::world(suite, &parameters, &plan)
}

/// The policy text with this world's parameters in it.
pub fn policy_text(suite: &Suite, parameters: &[Literal]) -> String {
    let mut text = suite.policy.clone();
    for (parameter, value) in suite.parameters.iter().zip(parameters) {
        let shown = match value {
            Literal::None => "none".to_owned(),
            Literal::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
            Literal::Int(n) => n.to_string(),
            Literal::Float(f) => f.to_string(),
            Literal::Str(s) => s.clone(),
            Literal::Money(cents) => crate::say::values::money(*cents),
            Literal::Date(day) => crate::say::values::date(*day),
            Literal::Enum(e, case) => suite.enums[*e].cases[*case as usize].replace('_', " "),
        };
        text = text.replace(&format!("{{{}}}", parameter.name), &shown);
    }
    text
}

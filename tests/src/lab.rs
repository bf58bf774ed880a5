//! The fuzz bodies under one name each: a kind and a random stream in, what was seen out.

use crate::compare::{self, Calls, Case};
use crate::interfaces::interface;
use crate::smith::Smiths;
use crate::support::Random;
use crate::{arguments, foreign, modules, programs, sources, support};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use terrarium_sandbox::Sandbox;
use terrarium_tools::schema::tool_schemas;
use terrarium_tools::{Suite, Surface, parse_suite};

/// Calls of one generated program.
pub const PROGRAM_CALLS: usize = 50;
/// Calls of one world of a library suite.
pub const LIBRARY_CALLS: usize = 1_000;
/// Tries of each tool with arguments.
const ARGUMENT_ROUNDS: usize = 6;

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A generated program, compiled and interpreted.
    Program,
    /// A suite of the library over a random world, compiled and interpreted.
    Library,
    /// A mutated source.
    Source,
    /// Arguments of a generated program's tools, or of a foreign component's.
    Arguments,
    /// A foreign component by our own generator.
    Component,
    /// A foreign component around a module by `wasm-smith`.
    Smith,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 6] =
        [Kind::Program, Kind::Library, Kind::Source, Kind::Arguments, Kind::Component, Kind::Smith];

    /// Name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Program => "program",
            Kind::Library => "library",
            Kind::Source => "source",
            Kind::Arguments => "arguments",
            Kind::Component => "component",
            Kind::Smith => "smith",
        }
    }

    /// The seed of an item: every kind has its own stream of a seed.
    pub fn seed(self, seed: u64, index: u64) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.name(), seed, index).hash(&mut hasher);
        hasher.finish()
    }
}

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Calls compared both ways.
    pub calls: Calls,
    /// Those of them on suites of the library.
    pub library_calls: u64,
    /// Generated programs that were run.
    pub programs: u64,
    /// Generated programs that the checker refused: the generator's fault, or the checker's.
    pub rejected: u64,
    /// The last one refused, with the reasons.
    pub rejection: Option<String>,
    /// Digest of the last program's source.
    pub digest: u64,
    /// Sources.
    pub sources: sources::Seen,
    /// Arguments.
    pub arguments: arguments::Seen,
    /// Foreign components by our own generator.
    pub components: foreign::Seen,
    /// Foreign components around modules by `wasm-smith`.
    pub smiths: foreign::Seen,
}

impl Seen {
    /// Adds up.
    pub fn add(&mut self, other: &Seen) {
        self.calls.add(other.calls);
        self.library_calls += other.library_calls;
        self.programs += other.programs;
        self.rejected += other.rejected;
        self.digest = other.digest;
        if other.rejection.is_some() {
            self.rejection.clone_from(&other.rejection);
        }
        self.sources.add(other.sources);
        self.arguments.add(other.arguments);
        self.components.add(&other.components);
        self.smiths.add(&other.smiths);
    }
}

/// One program or component in so many is compiled as worlds are, with optimisations; the others without, in less time. What is compared and
/// attacked is our side of it.
const OPTIMIZED_ONE_IN: usize = 8;
/// Longest entropy of a module by `wasm-smith`, in bytes.
const ENTROPY_BYTES_MAX: usize = 3_000;

/// Sandboxes with and without optimised code.
struct Pair {
    optimized: Sandbox,
    quick: Sandbox,
}

impl Pair {
    fn pick(&self, random: &mut Random) -> &Sandbox {
        if random.one_in(OPTIMIZED_ONE_IN) { &self.optimized } else { &self.quick }
    }
}

/// What all items share: sandboxes and the library.
pub struct Lab {
    own: Pair,
    foreign: Pair,
    smiths: Option<Smiths>,
    suites: Vec<Suite>,
    texts: Vec<String>,
}

impl Default for Lab {
    fn default() -> Self {
        Lab::new()
    }
}

impl Lab {
    /// Starts the sandboxes and reads the library.
    pub fn new() -> Lab {
        let suites = support::library();
        let texts =
            suites.iter().map(|suite| std::fs::read_to_string(&suite.files[0]).expect("a suite file")).collect();
        let own = Pair { optimized: compare::sandbox(true), quick: compare::sandbox(false) };
        let foreign = Pair { optimized: foreign::sandbox(true), quick: foreign::sandbox(false) };
        Lab { own, foreign, smiths: None, suites, texts }
    }

    /// With the program of `tests/smith`, which items of kind [`Kind::Smith`] need.
    #[must_use]
    pub fn with_smith(self, program: &Path) -> Lab {
        Lab { smiths: Some(Smiths::new(program)), ..self }
    }

    /// A component around a module that `make` gives ([`foreign::made`]), called.
    ///
    /// # Errors
    /// A broken promise, in words.
    pub fn made(
        &self,
        make: impl FnOnce(&[u8]) -> Result<Vec<u8>, String>,
        random: &mut Random,
    ) -> Result<Seen, String> {
        let bytes = foreign::made(make, random)?;
        Ok(Seen { smiths: self.judge(&bytes, random)?, ..Seen::default() })
    }

    /// The component of an item of kind [`Kind::Smith`].
    ///
    /// # Errors
    /// When `wasm-smith` or the encoder fails.
    pub fn smith(&self, random: &mut Random) -> Result<Vec<u8>, String> {
        let smiths = self.smiths.as_ref().ok_or("a component of wasm-smith needs --smith PROGRAM (tests/smith)")?;
        let entropy: Vec<u8> =
            (0..random.below(ENTROPY_BYTES_MAX).div_ceil(8)).flat_map(|_| random.next().to_le_bytes()).collect();
        foreign::made(|exports| smiths.module(exports, &entropy), random)
    }

    /// Calls a component that was made before.
    ///
    /// # Errors
    /// A broken promise, in words.
    pub fn judge(&self, bytes: &[u8], random: &mut Random) -> Result<foreign::Seen, String> {
        foreign::judge(self.foreign.pick(random), bytes, false, random)
    }

    /// Runs one item.
    ///
    /// # Errors
    /// A broken promise, in words.
    pub fn run(&self, kind: Kind, random: &mut Random) -> Result<Seen, String> {
        match kind {
            Kind::Program => self.program(random),
            Kind::Library => {
                let suite = random.pick(&self.suites);
                let name = suite.name.clone();
                let rows = random.pick(&[1, 5, 25]);
                let case = Case::new(self.own.pick(random), suite, rows, random)?;
                let calls = case.check(LIBRARY_CALLS, random).map_err(|e| format!("{name}: {e}"))?;
                Ok(Seen { calls, library_calls: calls.compared, ..Seen::default() })
            }
            Kind::Source => Ok(Seen { sources: sources::check(&self.texts, random)?, ..Seen::default() }),
            Kind::Arguments if random.one_in(2) => self.own_arguments(random),
            Kind::Arguments => self.foreign_arguments(random),
            Kind::Component => {
                Ok(Seen { components: foreign::check(self.foreign.pick(random), random)?, ..Seen::default() })
            }
            Kind::Smith => {
                let bytes = self.smith(random)?;
                Ok(Seen { smiths: self.judge(&bytes, random)?, ..Seen::default() })
            }
        }
    }

    fn program(&self, random: &mut Random) -> Result<Seen, String> {
        let source = programs::program(random);
        let mut hasher = DefaultHasher::new();
        source.hash(&mut hasher);
        let mut suite = match parse_suite("program.star", &source) {
            Ok(suite) => suite,
            Err(faults) => {
                let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
                let rejection = Some(format!("{}\n{source}", faults.join("\n")));
                return Ok(Seen { rejected: 1, rejection, ..Seen::default() });
            }
        };
        compare::mark_unique(&mut suite, random);
        let rows = random.pick(&[1, 2, 4, 8]);
        let case = Case::new(self.own.pick(random), suite, rows, random);
        let calls = case.and_then(|case| case.check(PROGRAM_CALLS, random)).map_err(|e| format!("{e}\n{source}"))?;
        Ok(Seen { calls, programs: 1, digest: hasher.finish(), ..Seen::default() })
    }

    /// Tools of a generated program or of the library.
    fn own_arguments(&self, random: &mut Random) -> Result<Seen, String> {
        let generated = parse_suite("program.star", &programs::program(random)).ok();
        let suite = match generated {
            Some(suite) if random.one_in(2) => suite,
            _ => random.pick(&self.suites),
        };
        let surface = Surface::plain(&suite);
        let world = support::world(&suite, 2, random);
        let compiled = terrarium_tools::compile::compile(&suite, &surface, &world).map_err(|e| e.to_string())?;
        let program = self.own.quick.load(&compiled.component).map_err(|e| e.to_string())?;
        let mut instance = program.instantiate().map_err(|e| e.to_string())?;
        let mut seen = Seen::default();
        for schema in tool_schemas(&suite, &surface) {
            let tool = program.tools().iter().find(|tool| tool.name == schema.name).ok_or("a tool is not exported")?;
            for _ in 0..ARGUMENT_ROUNDS {
                seen.arguments.add(arguments::check(&mut instance, tool, Some(&schema), random)?);
            }
        }
        Ok(seen)
    }

    /// Tools of a foreign component that traps when it is entered: what does not fit never gets there.
    fn foreign_arguments(&self, random: &mut Random) -> Result<Seen, String> {
        let wit = interface(random);
        let mut seen = Seen::default();
        let bytes = foreign::component(&wit, |resolve, world| Ok(modules::hollow(resolve, world)))?;
        let program = self.foreign.quick.load(&bytes).map_err(|e| format!("{e}\n{wit}"))?;
        let mut instance = program.instantiate().map_err(|e| format!("{e}\n{wit}"))?;
        for tool in program.tools() {
            for _ in 0..ARGUMENT_ROUNDS {
                let found = arguments::check(&mut instance, tool, None, random);
                seen.arguments.add(found.map_err(|e| format!("{e}\n{wit}"))?);
            }
        }
        Ok(seen)
    }
}

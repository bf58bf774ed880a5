//! Near-duplicates (DESIGN section 4): what is turned down at admission, and which environments and tasks go together as clusters.
//!
//! Environments are compared by the de-renamed ids of their tools, parameters and tables ([`pool`]), exactly: only those that share a
//! suite can be alike. Tasks are compared by their filled prompts without the words of templates ([`words`]), by MinHash sketches with
//! banding ([`index`]).
//!
//! A cluster is named after the one that founded it: whoever comes later joins the cluster of the most similar founder that is near
//! enough ([`NEAR`]), or founds one. Admission runs in index order, so clusters depend on neither threads nor breaks.

pub mod contamination;
pub mod foreign;
pub mod index;
pub mod plan;
pub mod pool;
pub mod words;

use index::{Index, Sketch, sketch};
use pool::Pool;
use std::collections::BTreeSet;
use terrarium_envs::clusters::Clusters;
use terrarium_envs::environment::{Environment, Split};
use terrarium_envs::task::Task;

/// From this Jaccard similarity on, two environments or two tasks are near-duplicates: of one cluster.
pub const NEAR: f64 = 0.7;
/// No two environments are more alike than this.
pub const ENVIRONMENTS_ALIKE_MAX: f64 = 0.85;

/// What was admitted so far. Memory: some 0.6 KB a cluster of tasks, all in all, and 2 KB an environment.
#[derive(Clone, Debug, Default)]
pub struct Admitted {
    pool: Pool,
    prompts: BTreeSet<[u8; 16]>,
    founders: Founders,
}

/// Why a task is no new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stale {
    /// Its prompt was there before, word for word.
    SamePrompt,
    /// It is a near-duplicate of a task on the other side of the line between training and testing.
    OtherSide,
}

impl Stale {
    /// The reason under which it is counted.
    pub fn reason(self) -> &'static str {
        match self {
            Stale::SamePrompt => "same_prompt",
            Stale::OtherSide => "near_other_split",
        }
    }
}

/// The tasks of one environment that may be admitted with it.
#[derive(Clone, Debug, Default)]
pub struct Pending {
    prompts: BTreeSet<[u8; 16]>,
    founders: Vec<(u64, Sketch)>,
    clusters: Vec<u64>,
}

impl Admitted {
    /// How alike the nearest environment is, where that is more than may be.
    pub fn alike(&self, environment: &Environment) -> Option<f64> {
        self.pool.nearest(&environment.signature).filter(|s| *s > ENVIRONMENTS_ALIKE_MAX)
    }

    /// Looks at a task beside everything that was admitted and what is pending of its own environment; it is pending from then on.
    ///
    /// # Errors
    /// Why it is turned down.
    pub fn consider(&self, prompt: &str, split: Split, pending: &mut Pending) -> Result<(), Stale> {
        let exact = short(prompt);
        if self.prompts.contains(&exact) || pending.prompts.contains(&exact) {
            return Err(Stale::SamePrompt);
        }
        let features = words::features(prompt);
        let sketch = sketch(&features);
        let near = self.founders.near(&sketch);
        if near.iter().any(|(founder, _)| self.founders.testing[*founder as usize] != is_testing(split)) {
            return Err(Stale::OtherSide);
        }
        let near = near.first().map(|(founder, alike)| (*alike, self.founders.names[*founder as usize]));
        pending.add(exact, &features, sketch, near);
        Ok(())
    }

    /// Takes up an environment with its pending tasks.
    pub fn admit(&mut self, environment: &Environment, pending: Pending) -> Clusters {
        let cluster = self.pool.add(&environment.signature, None);
        let tasks = pending.clusters.iter().map(|name| text(*name)).collect();
        self.settle(environment, pending);
        Clusters { environment: text(cluster), tasks }
    }

    /// Finds the clusters of what is stored anyway, whatever it is like: of databases that were put together out of several, or whose
    /// tasks have no clusters yet.
    pub fn cluster(&mut self, environment: &Environment, tasks: &[Task]) -> Clusters {
        let mut pending = Pending::default();
        for task in tasks {
            let features = words::features(&task.prompt);
            let sketch = sketch(&features);
            let near = self.founders.near(&sketch);
            let near = near.first().map(|(founder, alike)| (*alike, self.founders.names[*founder as usize]));
            pending.add(short(&task.prompt), &features, sketch, near);
        }
        self.admit(environment, pending)
    }

    /// Takes up what an earlier run admitted, with the clusters that it gave, in the order of admission.
    pub fn admit_again(&mut self, environment: &Environment, tasks: &[Task], clusters: &Clusters) {
        let numbers = clusters.tasks.iter().map(|c| number(c)).collect::<Option<Vec<u64>>>();
        let (Some(cluster), Some(numbers)) = (number(&clusters.environment), numbers) else {
            self.cluster(environment, tasks);
            return;
        };
        self.pool.add(&environment.signature, Some(cluster));
        let mut pending = Pending::default();
        for (task, cluster) in tasks.iter().zip(numbers) {
            pending.prompts.insert(short(&task.prompt));
            let features = words::features(&task.prompt);
            if words::name(&features) == cluster {
                pending.founders.push((cluster, sketch(&features)));
            }
        }
        self.settle(environment, pending);
    }

    /// Clusters of environments and of tasks.
    pub fn clusters(&self) -> (usize, usize) {
        (self.pool.clusters(), self.founders.names.len())
    }

    fn settle(&mut self, environment: &Environment, pending: Pending) {
        self.prompts.extend(pending.prompts);
        for (name, sketch) in pending.founders {
            self.founders.add(name, &sketch, is_testing(environment.split));
        }
    }
}

impl Pending {
    /// Puts a task into the cluster of the most similar founder, of those known (`near`: how alike, and its name) and those pending.
    fn add(&mut self, exact: [u8; 16], features: &[u64], sketch: Sketch, near: Option<(f64, u64)>) {
        let own = self.founders.iter().map(|(name, other)| (index::alike(&sketch, other), *name));
        let own = own.filter(|(alike, _)| *alike >= NEAR);
        let best = own.chain(near).max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        let name = best.map_or_else(
            || {
                let name = words::name(features);
                self.founders.push((name, sketch));
                name
            },
            |(_, name)| name,
        );
        self.prompts.insert(exact);
        self.clusters.push(name);
    }
}

/// Tasks that founded a cluster.
#[derive(Clone, Debug, Default)]
struct Founders {
    index: Index,
    names: Vec<u64>,
    testing: Vec<bool>,
}

impl Founders {
    /// Near-duplicates, the most similar first; of several equally similar ones the one with the lowest name.
    fn near(&self, sketch: &Sketch) -> Vec<(u32, f64)> {
        let mut near = self.index.near(sketch, NEAR);
        near.sort_by(|a, b| b.1.total_cmp(&a.1).then(self.names[a.0 as usize].cmp(&self.names[b.0 as usize])));
        near
    }

    fn add(&mut self, name: u64, sketch: &Sketch, testing: bool) {
        // A database that grew together out of several may hold a founder twice.
        if self.near(sketch).iter().any(|(founder, _)| self.names[*founder as usize] == name) {
            return;
        }
        self.index.insert(sketch);
        self.names.push(name);
        self.testing.push(testing);
    }
}

/// Whether a split is for testing: what training must not have seen.
pub fn is_testing(split: Split) -> bool {
    matches!(split, Split::TestSuite | Split::TestProcess)
}

fn text(cluster: u64) -> String {
    format!("{cluster:016x}")
}

fn number(cluster: &str) -> Option<u64> {
    u64::from_str_radix(cluster, 16).ok()
}

fn short(text: &str) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..16]);
    short
}

/// The first 8 bytes of the hash of a text: an id among features.
fn feature(text: &str) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..8]);
    u64::from_le_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn environment(split: Split, tools: &[&str]) -> Environment {
        Environment {
            id: "e".to_owned(),
            suite: "s".to_owned(),
            title: String::new(),
            domain: String::new(),
            split,
            system: String::new(),
            tools: Vec::new(),
            component: Arc::new(Vec::new()),
            digest: String::new(),
            recipe: serde_json::Value::Null,
            signature: tools.iter().map(|t| (*t).to_owned()).collect(),
        }
    }

    const FIRST: &str = "Please lend the atlas “The Silver Harbour” to Ida Berg of Linden Street until 14 June 2026, and then cancel \
        the reservation of Tomas Reyes for the globe with the number 4417.";
    /// The same in another voice, and one number changed.
    const NEAR: &str = "Could you lend the atlas “The Silver Harbour” to Ida Berg of Linden Street until 14 June 2026, and then cancel \
        the reservation of Tomas Reyes for the globe with the number 4418? Thanks.";
    const FAR: &str =
        "Please lend the novel “Quiet Rivers” to Bo Dahl, and then renew the card of Ana Costa for the year 2027.";

    #[test]
    fn near_duplicates_share_a_cluster_and_never_cross_the_line() {
        let mut admitted = Admitted::default();
        let mut pending = Pending::default();
        for prompt in [FIRST, FAR, NEAR] {
            admitted.consider(prompt, Split::Train, &mut pending).expect("new");
        }
        assert_eq!(admitted.consider(FAR, Split::Train, &mut pending), Err(Stale::SamePrompt));
        let clusters = admitted.admit(&environment(Split::Train, &["s.a()"]), pending);
        assert_eq!(clusters.tasks[0], clusters.tasks[2]);
        assert_ne!(clusters.tasks[0], clusters.tasks[1]);
        let other = FIRST.replace("4417", "4419");
        let mut pending = Pending::default();
        assert_eq!(admitted.consider(&other, Split::TestSuite, &mut pending), Err(Stale::OtherSide));
        admitted.consider(&other, Split::Validation, &mut pending).expect("training and validation may be near");
        assert_eq!(admitted.admit(&environment(Split::Validation, &["s.b()"]), pending).tasks[0], clusters.tasks[0]);
    }

    #[test]
    fn an_environment_like_another_is_turned_down() {
        let mut admitted = Admitted::default();
        let tools = ["s.a(x, y, z)", "s.b(x, y)", "s.c(x)", "s:t"];
        admitted.admit(&environment(Split::Train, &tools), Pending::default());
        assert!(admitted.alike(&environment(Split::Train, &tools)).is_some());
        assert!(admitted.alike(&environment(Split::Train, &tools[..2])).is_none());
        assert!(admitted.alike(&environment(Split::Train, &["r.a(x, y, z)"])).is_none());
    }
}

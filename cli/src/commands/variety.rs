//! How varied a database is, and what each suite brought: the numbers of the report that the synthesizer's own code makes.

use anyhow::{Context, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use terrarium_dataset::Store;
use terrarium_envs::task::Kind;
use terrarium_synth::dedup::pool::{Nearest, curve};
use terrarium_synth::report::{Report, SuiteReport};

/// Sizes at which the similarity of nearest neighbours is shown.
const SIZES: [usize; 14] = [5, 10, 20, 35, 50, 100, 200, 350, 500, 1000, 2000, 3500, 5000, 10_000];
/// Width and height of a chart, in its own units.
const CHART: (f64, f64) = (600.0, 200.0);

/// The numbers.
#[derive(Debug, Serialize)]
pub struct Variety {
    /// Similarity to the nearest environment as the pool grows.
    pub curve: Vec<Point>,
    /// Lines of the chart: median, 90th percentile, most.
    pub lines: [String; 3],
    /// One for each suite, by name.
    pub suites: Vec<SuiteRow>,
    /// Median yield over suites, where any was recorded.
    pub median_yield: Option<f64>,
}

/// Nearest neighbours among so many environments.
#[derive(Debug, Serialize)]
pub struct Point {
    pub environments: usize,
    pub median: f64,
    pub high: f64,
    pub most: f64,
}

/// What a suite brought.
#[derive(Debug, Serialize)]
pub struct SuiteRow {
    pub suite: String,
    pub environments: u64,
    pub drawn: u64,
    pub tasks: u64,
    /// Tasks of each kind, in the order of [`Kind::ALL`].
    pub kinds: [u64; Kind::ALL.len()],
    /// Tasks by split.
    pub splits: BTreeMap<String, u64>,
    pub share: Option<f64>,
    /// Its yield is below a quarter of the median.
    pub low: bool,
}

/// Measures a database.
pub async fn variety(store: &Store) -> Result<Variety> {
    let signatures: Vec<Vec<String>> = store.signatures().await?.into_iter().map(|(_, signature)| signature).collect();
    let points = curve(&signatures, &SIZES);
    let most = points.last().map_or(1, |p| p.environments);
    let drawn =
        |value: fn(&Nearest) -> f64| line(points.iter().map(|p| (p.environments as u64, value(p))), most as u64);
    let lines = [drawn(|p| p.median), drawn(|p| p.high), drawn(|p| p.most)];
    let mut of: BTreeMap<String, SuiteReport> = BTreeMap::new();
    for state in store.synthesis_states().await? {
        let report: Report =
            serde_json::from_value(state).context("the stored progress of a synthesis cannot be read")?;
        for (suite, one) in report.suites {
            of.entry(suite).or_default().add(&one);
        }
    }
    let mut shares: Vec<f64> = of.values().filter_map(SuiteReport::share).collect();
    shares.sort_by(f64::total_cmp);
    let median_yield = shares.get(shares.len() / 2).copied();
    let suites = of.into_iter().map(|(suite, one)| {
        let mut kinds = [0; Kind::ALL.len()];
        for of_split in one.tasks.values() {
            kinds.iter_mut().zip(of_split).for_each(|(sum, n)| *sum += n);
        }
        let share = one.share();
        SuiteRow {
            suite,
            environments: one.environments.values().sum(),
            drawn: one.drawn,
            tasks: kinds.iter().sum(),
            kinds,
            splits: one.tasks.iter().map(|(split, kinds)| (split.clone(), kinds.iter().sum())).collect(),
            share,
            low: share.zip(median_yield).is_some_and(|(share, median)| share * 4.0 < median),
        }
    });
    let curve = points
        .iter()
        .map(|p| Point { environments: p.environments, median: p.median, high: p.high, most: p.most })
        .collect();
    Ok(Variety { curve, lines, suites: suites.collect(), median_yield })
}

/// Points of a chart's line as SVG wants them: across by the logarithm of a number, up by a share of 0 to 1.
pub fn line(points: impl Iterator<Item = (u64, f64)>, most: u64) -> String {
    let width = ((most.max(2)) as f64).ln();
    let placed = points.map(|(n, share)| {
        let across = CHART.0 * (n.max(1) as f64).ln() / width;
        format!("{across:.1},{:.1}", CHART.1 * (1.0 - share.clamp(0.0, 1.0)))
    });
    placed.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_from_corner_to_corner() {
        assert_eq!(line([(1, 0.0), (10, 0.5), (100, 1.0)].into_iter(), 100), "0.0,200.0 300.0,100.0 600.0,0.0");
    }
}

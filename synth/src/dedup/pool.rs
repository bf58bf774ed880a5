//! Environments by what they offer. A signature is a sorted list of de-renamed `suite.tool(parameter, ..)` and `suite:table`; its
//! features are the tools, their parameters and the tables, each on its own. Similarity is Jaccard's, exact.

use super::{NEAR, feature, words};
use std::collections::{BTreeMap, BTreeSet};

/// Environments in the order they came.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    features: Vec<Vec<u64>>,
    clusters: Vec<u64>,
    /// Numbers of the environments that offer tools of a suite.
    by_suite: BTreeMap<String, Vec<u32>>,
}

impl Pool {
    /// Environments in it.
    pub fn len(&self) -> usize {
        self.features.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.features.is_empty()
    }

    /// Clusters that the environments are in.
    pub fn clusters(&self) -> usize {
        self.clusters.iter().collect::<BTreeSet<_>>().len()
    }

    /// How alike the nearest environment is; `None` where no other has a suite of this one.
    pub fn nearest(&self, signature: &[String]) -> Option<f64> {
        let own = features(signature);
        self.relatives(signature).into_iter().map(|n| jaccard(&own, &self.features[n as usize])).max_by(f64::total_cmp)
    }

    /// Adds an environment to a cluster, or to the one it belongs to: that of the most similar founder that is near enough, else one
    /// of its own. Gives the cluster's name.
    pub fn add(&mut self, signature: &[String], cluster: Option<u64>) -> u64 {
        let own = features(signature);
        let cluster = cluster.unwrap_or_else(|| {
            let founders = self.relatives(signature).into_iter().filter(|n| self.is_founder(*n));
            let near = founders.map(|n| (jaccard(&own, &self.features[n as usize]), self.clusters[n as usize]));
            let best = near.filter(|(s, _)| *s >= NEAR).max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
            best.map_or_else(|| words::name(&own), |(_, name)| name)
        });
        let number = self.features.len() as u32;
        for suite in suites(signature) {
            self.by_suite.entry(suite.to_owned()).or_default().push(number);
        }
        self.features.push(own);
        self.clusters.push(cluster);
        cluster
    }

    fn is_founder(&self, number: u32) -> bool {
        words::name(&self.features[number as usize]) == self.clusters[number as usize]
    }

    /// Environments that share a suite with a signature.
    fn relatives(&self, signature: &[String]) -> BTreeSet<u32> {
        suites(signature).into_iter().filter_map(|suite| self.by_suite.get(suite)).flatten().copied().collect()
    }
}

/// The suites whose tools and tables a signature names.
pub fn suites(signature: &[String]) -> BTreeSet<&str> {
    signature.iter().filter_map(|line| line.split(['.', ':']).next()).collect()
}

/// The features of a signature, sorted, each once.
pub fn features(signature: &[String]) -> Vec<u64> {
    let mut all = Vec::new();
    for line in signature {
        let (tool, parameters) = line.strip_suffix(')').and_then(|l| l.split_once('(')).unwrap_or((line, ""));
        all.push(feature(tool));
        let parameters = parameters.split(", ").filter(|p| !p.is_empty());
        all.extend(parameters.map(|parameter| feature(&format!("{tool}({parameter})"))));
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// The share of elements that both sorted sets have among those that either has; 1 for two empty ones.
pub fn jaccard(a: &[u64], b: &[u64]) -> f64 {
    let (mut i, mut j, mut both) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                both += 1;
                i += 1;
                j += 1;
            }
        }
    }
    let either = a.len() + b.len() - both;
    if either == 0 { 1.0 } else { both as f64 / either as f64 }
}

/// How alike environments are to their nearest neighbours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nearest {
    /// Environments in the pool.
    pub environments: usize,
    /// Median over the environments.
    pub median: f64,
    /// 90th percentile.
    pub high: f64,
    /// The two that are most alike.
    pub most: f64,
}

/// The similarity of nearest neighbours among the first `n` signatures, for each `n` of `sizes` that there are, and for all.
pub fn curve(signatures: &[Vec<String>], sizes: &[usize]) -> Vec<Nearest> {
    let mut pool = Pool::default();
    let mut nearest: Vec<f64> = Vec::new();
    let mut curve = Vec::new();
    for (n, signature) in signatures.iter().enumerate() {
        let own = features(signature);
        let mut best = 0.0_f64;
        for other in pool.relatives(signature) {
            let alike = jaccard(&own, &pool.features[other as usize]);
            nearest[other as usize] = nearest[other as usize].max(alike);
            best = best.max(alike);
        }
        nearest.push(best);
        pool.add(signature, Some(0));
        if n > 0 && (sizes.contains(&(n + 1)) || n + 1 == signatures.len()) {
            let mut sorted = nearest.clone();
            sorted.sort_by(f64::total_cmp);
            let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share).round() as usize];
            curve.push(Nearest { environments: n + 1, median: at(0.5), high: at(0.9), most: at(1.0) });
        }
    }
    curve
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(tools: &[&str]) -> Vec<String> {
        tools.iter().map(|t| (*t).to_owned()).collect()
    }

    #[test]
    fn similarity_counts_tools_parameters_and_tables() {
        let a = features(&signature(&["s.lend(book, member)", "s.find()", "s:book"]));
        let b = features(&signature(&["s.lend(book)", "s:book"]));
        assert_eq!((a.len(), b.len()), (5, 3));
        assert!((jaccard(&a, &b) - 0.6).abs() < 1e-9);
        assert!((jaccard(&[], &[]) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn clusters_are_named_after_their_founders_and_come_out_the_same_again() {
        let first = signature(&["s.a(x, y)", "s.b(x)", "s.c(x)", "s:t"]);
        let near = signature(&["s.a(x, y)", "s.b(x)", "s:t"]);
        let far = signature(&["s.d(x)", "r.e()"]);
        let mut pool = Pool::default();
        let named: Vec<u64> = [&first, &near, &far].map(|s| pool.add(s, None)).to_vec();
        assert!(named[0] == named[1] && named[0] != named[2], "{named:?}");
        let mut again = Pool::default();
        for (s, name) in [&far, &near, &first].into_iter().zip([named[2], named[1], named[0]]) {
            again.add(s, Some(name));
        }
        assert_eq!(again.add(&near, None), named[0]);
        assert!(pool.nearest(&near).is_some_and(|s| s > 0.999));
        assert_eq!(Pool::default().nearest(&near), None);
    }

    #[test]
    fn the_curve_looks_at_both_neighbours() {
        let all = [signature(&["s.a(x)"]), signature(&["r.a()"]), signature(&["s.a(x)", "s.b(x)"])];
        let curve = curve(&all, &[2]);
        assert_eq!(curve.iter().map(|c| c.environments).collect::<Vec<_>>(), [2, 3]);
        assert!(curve[0].most < 1e-9 && (curve[1].most - 0.5).abs() < 1e-9 && (curve[1].median - 0.5).abs() < 1e-9);
    }
}

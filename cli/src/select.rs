//! From what was typed to sets of tasks: splits, kinds, ranges.

use crate::Usage;
use terrarium_envs::environment::Split;
use terrarium_envs::task::Kind;

/// A split, or none for `all`.
pub fn split(name: &str) -> Result<Option<Split>, Usage> {
    if name == "all" {
        return Ok(None);
    }
    Split::from_name(name)
        .map(Some)
        .ok_or_else(|| Usage(format!("unknown split `{name}`; one of {}, all", Split::ALL.map(Split::name).join(", "))))
}

/// A kind of task.
pub fn kind(name: &str) -> Result<Kind, Usage> {
    Kind::from_name(name)
        .ok_or_else(|| Usage(format!("unknown kind `{name}`; one of {}", Kind::ALL.map(Kind::name).join(", "))))
}

/// `A..B`, `A..`, `..B`: from A up to and including B.
pub fn range(text: &str) -> Result<(f64, f64), Usage> {
    let bad = || Usage(format!("`{text}` is not a range; write A..B, A.. or ..B with numbers, e.g. 4..12"));
    let (low, high) = text.split_once("..").ok_or_else(bad)?;
    let bound = |part: &str, open: f64| if part.is_empty() { Ok(open) } else { part.trim().parse().map_err(|_| bad()) };
    let (low, high) = (bound(low, 0.0)?, bound(high, f64::INFINITY)?);
    if low.is_nan() || high.is_nan() || low > high {
        return Err(bad());
    }
    Ok((low, high))
}

/// Every `n`th of a list so that `want` remain, evenly spread, in order.
pub fn spread<T>(items: Vec<T>, want: usize) -> Vec<T> {
    let have = items.len();
    if want >= have {
        return items;
    }
    items
        .into_iter()
        .enumerate()
        .filter(|(i, _)| (i + 1) * want / have > i * want / have)
        .map(|(_, item)| item)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_or_refused() {
        assert_eq!(range("4..12").unwrap(), (4.0, 12.0));
        assert_eq!(range("4..").unwrap(), (4.0, f64::INFINITY));
        assert_eq!(range("..3.5").unwrap(), (0.0, 3.5));
        for bad in ["", "4", "9..2", "a..b", "nan.."] {
            assert!(range(bad).unwrap_err().0.contains("is not a range"), "{bad}");
        }
    }

    #[test]
    fn splits_and_kinds_name_the_choices() {
        assert_eq!(split("all").unwrap(), None);
        assert_eq!(split("train").unwrap(), Some(Split::Train));
        assert!(split("trian").unwrap_err().0.contains("test_suite"));
        assert!(kind("axe").unwrap_err().0.contains("act, ask"));
    }

    #[test]
    fn spreading_keeps_order_and_count() {
        assert_eq!(spread((0..10).collect(), 3), vec![3, 6, 9]);
        assert_eq!(spread((0..3).collect(), 5), vec![0, 1, 2]);
        assert!(spread(Vec::<u8>::new(), 2).is_empty());
    }
}

//! Top-k with a fixed rule for ties: the lowest index wins.
//!
//! `torch.topk` promises no order among equal values, and a different choice between equal scores makes a cached step
//! disagree with the full pass (and was seen to break reinforcement learning elsewhere). NaN scores are not handled.

use tch::Tensor;

/// Indices of the `k` largest values along the last dimension, ascending; positions at minus infinity are never taken
/// and leave -1 at the end of the row.
///
/// # Shapes
/// `scores` [.., T] floating, `1 <= k <= T` -> [.., k] int64.
pub fn top_k(scores: &Tensor, k: i64) -> Tensor {
    let size = scores.size();
    let length = size[size.len() - 1];
    // One more than asked for: the choice is ambiguous only if the first value left out equals the last one taken.
    let (values, indices) = scores.topk((k + 1).min(length), -1, true, true); // [.., k + 1]
    let last = values.narrow(-1, k - 1, 1); // [.., 1]
    let ambiguous = k < length && {
        let tied = last.eq_tensor(&values.narrow(-1, k, 1)).logical_and(&last.ne(f64::NEG_INFINITY));
        tied.any().int64_value(&[]) != 0
    };
    let (values, indices) = if ambiguous { scores.sort_stable(true, -1, true) } else { (values, indices) };
    let (values, indices) = (values.narrow(-1, 0, k), indices.narrow(-1, 0, k)); // [.., k]
    let (ascending, _) = indices.masked_fill(&values.eq(f64::NEG_INFINITY), length).sort(-1, false);
    ascending.masked_fill(&ascending.eq(length), -1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    fn check(scores: &[f64], k: i64, expected: &[i64]) {
        let found = top_k(&Tensor::from_slice(scores).reshape([1, -1]), k);
        assert_eq!(Vec::<i64>::try_from(found.reshape([-1])).unwrap(), expected, "{scores:?}");
    }

    #[test]
    fn ties_go_to_the_lowest_index() {
        let none = f64::NEG_INFINITY;
        check(&[1.0, 5.0, 3.0, 4.0], 2, &[1, 3]);
        check(&[2.0, 2.0, 2.0, 2.0], 2, &[0, 1]);
        check(&[0.0, 7.0, 0.0, 0.0], 3, &[0, 1, 2]);
        check(&[0.0, none, 1.0, none], 3, &[0, 2, -1]);
        check(&[none, none, 0.0, 0.0], 1, &[2]);
        check(&[none, none], 2, &[-1, -1]);
        check(&[-0.0, 0.0, 0.0], 1, &[0]);
    }

    #[test]
    fn agrees_with_a_stable_sort_on_many_ties() {
        tch::manual_seed(3);
        let scores = Tensor::randint(5, [40, 33], (Kind::Double, tch::Device::Cpu));
        let (_, order) = scores.sort_stable(true, -1, true);
        let (expected, _) = order.narrow(-1, 0, 9).sort(-1, false);
        assert_eq!(top_k(&scores, 9), expected);
    }
}

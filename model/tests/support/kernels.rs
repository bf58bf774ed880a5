//! What must hold of every kernel, wherever it runs: one body, on the CPU's emulator with small shapes and on a GPU with FlashMLA's.

use terrarium_model::cache::packed;
use terrarium_model::ops::cuda::{Runner, index, sparse};
use terrarium_model::{Device, Kind, Tensor, attention, topk};

/// Who runs the kernels.
pub struct Check<'a> {
    pub runner: &'a dyn Runner,
    /// Runs them once more, if it can in another order: the bits must be the same.
    pub again: &'a dyn Runner,
    pub device: Device,
    /// Whether shapes may be large.
    pub fast: bool,
}

#[allow(dead_code, reason = "as `Check::emulated`")]
static DESCENDING: super::emulator::Emulator = super::emulator::Emulator { descending: true };

impl<'a> Check<'a> {
    #[allow(dead_code, reason = "one of the two test programs has only a GPU")]
    pub fn emulated(runner: &'a dyn Runner) -> Self {
        tch::set_num_threads(1);
        Self { runner, again: &DESCENDING, device: Device::Cpu, fast: false }
    }

    #[allow(dead_code, reason = "one of the two test programs has no GPU")]
    pub fn on_gpu(runner: &'a dyn Runner) -> Self {
        Self { runner, again: runner, device: Device::Cuda(0), fast: true }
    }

    fn normal(&self, size: &[i64], kind: Kind) -> Tensor {
        let x = Tensor::randn(size, (Kind::Float, Device::Cpu)) / 10.0 + 0.01;
        x.to_kind(kind).to_device(self.device)
    }

    /// On this device, of this kind.
    fn put(&self, x: &Tensor, kind: Kind) -> Tensor {
        x.to_kind(kind).to_device(self.device).contiguous()
    }
}

/// On the CPU, in float64.
fn exact(x: &Tensor) -> Tensor {
    x.to_device(Device::Cpu).to_kind(Kind::Double)
}

/// `1 - 2 <x, y> / (<x, x> + <y, y>)`, of the finite numbers.
fn difference(x: &Tensor, y: &Tensor) -> f64 {
    let dot = |a: &Tensor, b: &Tensor| (a * b).sum(Kind::Double).double_value(&[]);
    let squares = dot(x, x) + dot(y, y);
    if squares == 0.0 { 0.0 } else { 1.0 - 2.0 * dot(x, y) / squares }
}

/// FlashMLA's rule: every number within an absolute or a relative bound, all of them together within a third, and what is not finite in
/// the same places.
fn close(what: &str, found: &Tensor, expected: &Tensor, absolute: f64, relative: f64, together: f64) {
    let (found, expected) = (exact(found), exact(expected));
    assert_eq!(found.size(), expected.size(), "{what}");
    let finite = expected.isfinite();
    assert_eq!(found.masked_fill(&finite, 0.0), expected.masked_fill(&finite, 0.0), "{what}: what is not finite");
    let clean = |x: &Tensor| x.masked_fill(&finite.logical_not(), 0.0);
    let (found, expected) = (clean(&found), clean(&expected));
    let error = (&found - &expected).abs();
    let over =
        error.minimum(&(&error / expected.abs().clamp_min(1e-300) * (absolute / relative))).max().double_value(&[]);
    assert!(over <= absolute, "{what}: an error of {over:e}, more than {absolute:e} and {relative:e} of the number");
    let apart = difference(&found, &expected);
    assert!(apart <= together, "{what}: {apart:e} apart, more than {together:e}");
}

struct Attention {
    queries: i64,
    heads: i64,
    rows: i64,
    selected: i64,
    width: i64,
    rank: i64,
    packed: bool,
    invalid: f64,
    parts: i64,
}

const SMALL: Attention = Attention {
    queries: 2,
    heads: 16,
    rows: 50,
    selected: 70,
    width: 144,
    rank: 128,
    packed: false,
    invalid: 0.1,
    parts: 1,
};
const PUBLISHED: Attention = Attention {
    queries: 1,
    heads: 64,
    rows: 190,
    selected: 130,
    width: 576,
    rank: 512,
    packed: false,
    invalid: 0.1,
    parts: 1,
};

fn forward_cases(fast: bool) -> Vec<Attention> {
    let mut cases = vec![
        SMALL,
        Attention { heads: 70, ..SMALL },
        Attention { selected: 1, parts: 1, invalid: 0.0, ..SMALL },
        Attention { selected: 300, rows: 40, parts: 3, ..SMALL },
        Attention { selected: 64, parts: 2, ..SMALL }, // the second part is empty
        Attention { invalid: 1.0, ..SMALL },
        Attention { invalid: 1.0, parts: 2, ..SMALL },
        Attention { packed: true, heads: 16, selected: 200, parts: 2, invalid: 0.5, ..PUBLISHED },
        Attention { width: 288, rank: 256, heads: 16, ..SMALL }, // preset `bench`
        PUBLISHED,
        Attention { packed: true, parts: 2, ..PUBLISHED },
        Attention { heads: 128, selected: 64, ..PUBLISHED },
    ];
    if fast {
        // Prefill and decoding as FlashMLA tests them: odd lengths, a selection larger than the keys, many queries, a long cache.
        for heads in [64, 128] {
            for (rows, selected) in
                [(592, 128), (1840, 256), (1592, 384), (1521, 512), (95, 128), (153, 256), (114, 384)]
            {
                for queries in [1, 62, 213] {
                    for packed in [false, true] {
                        cases.push(Attention { queries, heads, rows, selected, packed, ..PUBLISHED });
                    }
                }
            }
            for packed in [false, true] {
                cases.push(Attention { queries: 256, heads, rows: 8192, selected: 2048, packed, ..PUBLISHED });
                for queries in [4, 128] {
                    cases.push(Attention {
                        queries,
                        heads,
                        rows: 32768,
                        selected: 2048,
                        parts: 4,
                        packed,
                        ..PUBLISHED
                    });
                }
            }
            cases.push(Attention { queries: 70_000, heads, rows: 256, selected: 256, ..PUBLISHED });
        }
    }
    cases
}

/// Slots of which some are negative and some lie beyond the rows.
fn slots(case: &Attention) -> Tensor {
    let cpu = (Kind::Int64, Device::Cpu);
    let size = [case.queries, case.selected];
    let drop = Tensor::rand(size, (Kind::Float, Device::Cpu)).lt(case.invalid);
    let nowhere = Tensor::full(size, -1, cpu)
        .where_self(&Tensor::randint(2, size, cpu).eq(0), &(Tensor::randint(9, size, cpu) + case.rows));
    nowhere.where_self(&drop, &Tensor::randint(case.rows, size, cpu))
}

pub fn sparse_forward(check: &Check<'_>) {
    tch::manual_seed(11);
    for (number, case) in forward_cases(check.fast).iter().enumerate() {
        let scale = (case.width as f64).powf(-0.5) * 3.0;
        let query = check.normal(&[case.queries, case.heads, case.width], Kind::BFloat16);
        let rows = check.normal(&[case.rows, case.width], Kind::BFloat16);
        let slots = slots(case);
        let stored = if case.packed { packed::pack(&rows, case.rank) } else { rows.shallow_clone() };
        let rows = if case.packed { packed::unpack(&stored, case.width, case.rank) } else { rows };
        let places = check.put(&slots, Kind::Int);
        let run = |runner| sparse::attend(runner, &query, &stored, &places, case.rank, scale, case.parts).unwrap();
        let found = run(check.runner);
        let again = run(check.again);
        assert_eq!((&found.out, &found.lse), (&again.out, &again.lse), "case {number}: the same bits");

        let valid = slots.masked_fill(&slots.ge(case.rows), -1);
        // Sums of many queries are as right as those of some.
        let some = case.queries.min(256);
        let head = |x: &Tensor| x.narrow(0, 0, some);
        let (query, rows, valid) = (exact(&head(&query)), exact(&rows), head(&valid));
        let out = attention::sparse::plain(&query, &rows, &valid, case.rank, scale);
        let (largest, lse) = statistics(&query, &rows, &valid, scale);
        let name = |what: &str| format!("case {number}: {what}");
        let (absolute, relative, together) =
            if case.packed { (1e-3, 2.01 / 128.0, 5e-6) } else { (8e-4, 3.01 / 128.0, 7e-6) };
        close(&name("out"), &head(&found.out), &out, absolute, relative, together);
        close(&name("largest"), &head(&found.largest), &largest, 1e-6, 2.01 / 65536.0, 1e-9);
        close(&name("lse"), &head(&found.lse), &lse, 1e-6, if case.packed { 8.01 } else { 2.01 } / 65536.0, 1e-9);
    }
}

/// The largest score of every query and head, and the logarithm of the sum of their exponentials.
fn statistics(query: &Tensor, rows: &Tensor, slots: &Tensor, scale: f64) -> (Tensor, Tensor) {
    let scores = query.matmul(&rows.transpose(0, 1)) * scale; // [Q, H, N]
    let index = slots.clamp_min(0).unsqueeze(1).expand([slots.size()[0], query.size()[1], slots.size()[1]], false);
    let scores = scores.gather(2, &index, false).masked_fill(&slots.lt(0).unsqueeze(1), f64::NEG_INFINITY); // [Q, H, K]
    let lse = scores.logsumexp([-1], false);
    let none = lse.eq(f64::NEG_INFINITY);
    (scores.amax([-1], false), lse.masked_fill(&none, f64::INFINITY))
}

pub fn sparse_backward(check: &Check<'_>) {
    tch::manual_seed(12);
    let mut cases = vec![
        SMALL,
        Attention { heads: 70, selected: 30, rows: 7, ..SMALL },
        Attention { invalid: 1.0, selected: 3, ..SMALL },
        Attention { queries: 1, selected: 66, ..PUBLISHED },
    ];
    if check.fast {
        for heads in [64, 128] {
            cases.push(Attention { queries: 62, heads, rows: 592, selected: 512, ..PUBLISHED });
            cases.push(Attention { queries: 512, heads, rows: 2048, selected: 2048, ..PUBLISHED });
        }
    }
    for (number, case) in cases.iter().enumerate() {
        let scale = (case.width as f64).powf(-0.5) * 3.0;
        let query = check.normal(&[case.queries, case.heads, case.width], Kind::BFloat16);
        let rows = check.normal(&[case.rows, case.width], Kind::BFloat16);
        let d_out = check.normal(&[case.queries, case.heads, case.rank], Kind::BFloat16);
        let slots = slots(case);
        let places = check.put(&slots, Kind::Int);
        let run = |runner| {
            let attended = sparse::attend(runner, &query, &rows, &places, case.rank, scale, 1).unwrap();
            sparse::backward(runner, &query, &rows, &places, &attended, &d_out, scale).unwrap()
        };
        let (found, again) = (run(check.runner), run(check.again));
        assert_eq!((&found.query, &found.rows), (&again.query, &again.rows), "case {number}: the same bits");

        let valid = slots.masked_fill(&slots.ge(case.rows), -1);
        let (query, rows) = (exact(&query).set_requires_grad(true), exact(&rows).set_requires_grad(true));
        let out = attention::sparse::plain(&query, &rows, &valid, case.rank, scale);
        (out * exact(&d_out)).sum(Kind::Double).backward();
        // The kernel keeps weights and their gradients in bfloat16: 2^-9 of each term.
        let near = |what: &str, found: &Tensor, expected: &Tensor| {
            let apart = difference(&exact(found), expected);
            assert!(apart < 1e-4, "case {number}: {what} is {apart:e} apart");
        };
        near("query", &found.query, &query.grad());
        near("rows", &found.rows, &rows.grad());
    }
}

struct Index {
    b: i64,
    s: i64,
    heads: i64,
    width: i64,
    length: i64,
    fp8: bool,
}

pub fn index_scores(check: &Check<'_>) {
    tch::manual_seed(13);
    let small = Index { b: 2, s: 3, heads: 16, width: 32, length: 300, fp8: false };
    let mut cases = vec![
        Index { ..small },
        Index { s: 35, length: 40, b: 1, ..small },
        Index { fp8: true, ..small },
        Index { heads: 64, width: 128, s: 2, b: 1, ..small },
        Index { heads: 64, width: 128, s: 1, b: 1, length: 520, fp8: true },
    ];
    if check.fast {
        for heads in [32, 64] {
            for (s, length) in [(2048, 8192), (1, 65536), (2, 131_072)] {
                cases.push(Index { b: 1, s, heads, width: 128, length, fp8: false });
                cases.push(Index { b: 1, s, heads, width: 128, length, fp8: true });
            }
        }
        cases.push(Index { b: 64, s: 1, heads: 64, width: 128, length: 8192, fp8: true });
    }
    for (number, case) in cases.iter().enumerate() {
        let Index { b, s, heads, width, length, fp8 } = *case;
        let pages = (length + 63) / 64;
        let cpu = (Kind::Int64, Device::Cpu);
        let table =
            Tensor::cat(&(0..b).map(|_| Tensor::randperm(pages * b, cpu).narrow(0, 0, pages)).collect::<Vec<_>>(), 0)
                .view([b, pages]);
        let queries = check.normal(&[b, s, heads, width], Kind::BFloat16);
        let weights = check.normal(&[b, s, heads], Kind::Float);
        let keys = Tensor::randn([pages * b * 64, width], (Kind::Float, Device::Cpu));
        // The last query sees all keys, one position less the one before it.
        let positions = (Tensor::arange(s, cpu) + (length - s)).clamp_min(0).expand([b, s], false);
        let (pages_32, positions_32) = (check.put(&table, Kind::Int), check.put(&positions, Kind::Int));
        let (bytes, scales) = quantised(&keys);
        let stored = if fp8 { bytes.to_kind(Kind::Float) * scales.unsqueeze(1) } else { keys.to_kind(Kind::BFloat16) };
        let bytes = bytes.view_dtype(Kind::Uint8).to_device(check.device);
        let (plain, scales) = (check.put(&stored, Kind::BFloat16), check.put(&scales, Kind::Float));
        let form = if fp8 { index::Keys::Fp8 { bytes: &bytes, scales: &scales } } else { index::Keys::Exact(&plain) };
        let run = |runner| index::scores(runner, &queries, &weights, form, &pages_32, &positions_32, length).unwrap();
        let (found, again) = (run(check.runner), run(check.again));
        assert_eq!(found, again, "case {number}: the same bits");

        let slots = table.unsqueeze(-1) * 64 + Tensor::arange(64, cpu);
        let slots = slots.view([b, -1]).narrow(1, 0, length);
        let gathered = exact(&stored).index_select(0, &slots.reshape([-1])).view([b, length, width]);
        let some = s.min(64);
        let last = |x: &Tensor| x.narrow(1, s - some, some);
        let z = last(&exact(&queries)).reshape([b, some * heads, width]).bmm(&gathered.transpose(1, 2)).relu();
        let z = z.view([b, some, heads, length]);
        let expected = (z * last(&exact(&weights)).unsqueeze(-1)).sum_dim_intlist(2, false, Kind::Double);
        let later = Tensor::arange(length, cpu).gt_tensor(&last(&positions).unsqueeze(-1));
        let expected = expected.masked_fill(&later, f64::NEG_INFINITY);
        // DeepGEMM's bound against what was stored; and no number far off.
        close(&format!("case {number}: scores"), &last(&found), &expected, 1e-5, 1e-4, 5e-6);
    }
}

/// e4m3 keys and the scale of each.
fn quantised(keys: &Tensor) -> (Tensor, Tensor) {
    let scales = (keys.abs().amax([-1], true) / 448.0).clamp_min(1e-4).log2().ceil().exp2();
    ((keys / &scales).to_kind(Kind::Float8e4m3fn), scales.reshape([-1]))
}

pub fn index_backward(check: &Check<'_>) {
    tch::manual_seed(14);
    let mut cases = vec![(3, 16, 32, 150, 0.5), (2, 20, 48, 70, 1.0), (2, 64, 128, 200, 0.01), (1, 16, 32, 64, 0.0)];
    if check.fast {
        cases.extend([(512, 64, 128, 4096, 0.1), (213, 32, 128, 1521, 1.0)]);
    }
    for (number, (s, heads, width, length, kept)) in cases.into_iter().enumerate() {
        let queries = check.normal(&[s, heads, width], Kind::BFloat16);
        let weights = check.normal(&[s, heads], Kind::Float);
        let keys = check.normal(&[length, width], Kind::BFloat16);
        let keep = Tensor::rand([s, length], (Kind::Float, Device::Cpu)).lt(kept).to_kind(Kind::Float);
        let d_scores = check.put(&(Tensor::randn([s, length], (Kind::Float, Device::Cpu)) * keep), Kind::Float);
        let run = |runner| index::backward(runner, &queries, &weights, &keys, &d_scores).unwrap();
        let (found, again) = (run(check.runner), run(check.again));
        assert_eq!(
            (&found.queries, &found.weights, &found.keys),
            (&again.queries, &again.weights, &again.keys),
            "case {number}: the same bits"
        );
        let leaf = |x: &Tensor| exact(x).set_requires_grad(true);
        let (queries, weights, keys) = (leaf(&queries), leaf(&weights), leaf(&keys));
        let z = queries.matmul(&keys.transpose(0, 1)).relu(); // [S, Hi, T]
        let scores = (z * weights.unsqueeze(-1)).sum_dim_intlist(1, false, Kind::Double);
        (scores * exact(&d_scores)).sum(Kind::Double).backward();
        for (what, found, expected) in [
            ("queries", &found.queries, queries.grad()),
            ("weights", &found.weights, weights.grad()),
            ("keys", &found.keys, keys.grad()),
        ] {
            let apart = difference(&exact(found), &expected);
            assert!(apart < 1e-4, "case {number}: {what} is {apart:e} apart");
        }
    }
}

pub fn top_k(check: &Check<'_>) {
    tch::manual_seed(15);
    let cpu = (Kind::Float, Device::Cpu);
    let ties = |rows, length| Tensor::randint(5, [rows, length], cpu) - 2.0;
    let mut cases: Vec<(Tensor, i64)> = vec![
        (Tensor::randn([3, 1700], cpu), 64),
        (ties(4, 1300), 200),
        (ties(2, 100), 100),
        (Tensor::randn([2, 30], cpu), 64), // more than there are
        (Tensor::full([2, 600], f64::NEG_INFINITY, cpu), 7),
        (Tensor::zeros([1, 513], cpu) * -1.0, 512),
        (ties(3, 700).masked_fill(&Tensor::rand([3, 700], cpu).lt(0.9), f64::NEG_INFINITY), 100),
        (Tensor::from_slice(&[f32::MAX, f32::MIN, f32::INFINITY, -0.0, 0.0, 1e-42, -1e-42]).view([1, 7]), 4),
    ];
    if check.fast {
        cases.extend([(Tensor::randn([64, 131_072], cpu), 2048), (ties(9, 65_537), 2048), (ties(2048, 8192), 2048)]);
    }
    for (number, (scores, k)) in cases.iter().enumerate() {
        let on_device = check.put(scores, Kind::Float);
        let found = index::top_k(check.runner, &on_device, *k).unwrap();
        assert_eq!(found, index::top_k(check.again, &on_device, *k).unwrap(), "case {number}: the same bits");
        let length = scores.size()[1];
        let expected = topk::top_k(&scores.to_kind(Kind::Double), (*k).min(length));
        let expected = expected.constant_pad_nd([0, k - expected.size()[1]]).slice_scatter(
            &Tensor::full([scores.size()[0], (k - length).max(0)], -1, (Kind::Int64, Device::Cpu)),
            1,
            length.min(*k),
            *k,
            1,
        );
        assert_eq!(found.to_device(Device::Cpu).to_kind(Kind::Int64), expected, "case {number}");
    }
}

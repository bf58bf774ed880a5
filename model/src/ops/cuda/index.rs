//! Launches of the indexer: `indexer_scores.cu`, `top_k.cu` and `indexer_backward.cu`.

use tch::{Kind, Tensor};

use super::{
    INDEXER_BACKWARD, INDEXER_SCORES, Launch, Program, Runner, SHARED_BYTES_MAX, THREADS, TILE, TOP_K, blocks, check,
    int, pointer, require, runner_for, tile_bytes,
};
use crate::Result;
use crate::cache::PAGE;

/// Keys of a block of the scores kernel.
const KEYS: i64 = 256;
/// Queries such a block goes through at most.
const BLOCK_QUERIES: i64 = 32;
/// Threads of a block of the top-k kernel.
const ROW_THREADS: u32 = 512;

/// Keys of the indexer as they are stored.
#[derive(Debug, Clone, Copy)]
pub enum Keys<'a> {
    /// [N, Di] bfloat16
    Exact(&'a Tensor),
    /// e4m3 bytes [N, Di] uint8 and a scale a key `[N]` float32.
    Fp8 { bytes: &'a Tensor, scales: &'a Tensor },
}

/// Whether [`scores`] has been written for these sizes.
pub fn fits(heads: i64, width: i64) -> bool {
    heads % 16 == 0
        && width % 16 == 0
        && heads > 0
        && width > 0
        && scores_shared_bytes(heads, width) <= SHARED_BYTES_MAX
}

/// Who can score these: they lie on a device with a runner, queries in bfloat16.
pub fn scorer(queries: &Tensor, keys: Keys<'_>) -> Option<&'static dyn Runner> {
    let size = queries.size();
    let kinds = queries.kind() == Kind::BFloat16
        && match keys {
            Keys::Exact(keys) => keys.kind() == Kind::BFloat16,
            Keys::Fp8 { .. } => true,
        };
    if kinds && fits(size[2], size[3]) { runner_for(queries.device()) } else { None }
}

/// Who can make [`backward`] of these.
pub(crate) fn learner(queries: &Tensor, keys: &Tensor) -> Option<&'static dyn Runner> {
    let (heads, width) = (queries.size()[2], queries.size()[3]);
    let kinds = queries.kind() == Kind::BFloat16 && keys.kind() == Kind::BFloat16;
    if kinds && trains(heads, width) { runner_for(queries.device()) } else { None }
}

/// Whether [`backward`] has been written for these sizes.
fn trains(heads: i64, width: i64) -> bool {
    heads <= TILE && width % 16 == 0 && width <= 512
}

fn scores_shared_bytes(heads: i64, width: i64) -> i64 {
    tile_bytes(KEYS, width) + 2 * tile_bytes(heads, width) + 2 * heads * 4
}

/// Scores of the first `length` positions, minus infinity after a query's own.
///
/// # Shapes
/// `queries` [B, S, Hi, Di] bfloat16, `weights` [B, S, Hi] float32, `pages` [B, P] int32 (pages of 64 rows of the keys, in order of
/// position), `positions` [B, S] int32, ascending in a row -> [B, S, length] float32.
///
/// # Errors
/// [`crate::Error::Kernel`] for other shapes or sizes the kernel was not written for, and as [`Runner::run`].
pub fn scores(
    runner: &dyn Runner,
    queries: &Tensor,
    weights: &Tensor,
    keys: Keys<'_>,
    pages: &Tensor,
    positions: &Tensor,
    length: i64,
) -> Result<Tensor> {
    const KERNEL: &str = "indexer_scores";
    check(KERNEL, "queries", queries, Kind::BFloat16, &[-1, -1, -1, -1])?;
    let (b, s, heads, width) = queries.size4()?;
    require(KERNEL, fits(heads, width), || {
        format!("{heads} heads of {width} must be multiples of 16 that fit into shared memory")
    })?;
    check(KERNEL, "weights", weights, Kind::Float, &[b, s, heads])?;
    check(KERNEL, "positions", positions, Kind::Int, &[b, s])?;
    check(KERNEL, "pages", pages, Kind::Int, &[b, -1])?;
    let columns = pages.size()[1];
    require(KERNEL, (0..=columns * PAGE as i64).contains(&length), || {
        format!("{columns} pages hold no {length} positions")
    })?;
    let (keys, scales) = match keys {
        Keys::Exact(keys) => {
            check(KERNEL, "keys", keys, Kind::BFloat16, &[-1, width])?;
            (keys, None)
        }
        Keys::Fp8 { bytes, scales } => {
            check(KERNEL, "keys", bytes, Kind::Uint8, &[-1, width])?;
            check(KERNEL, "scales", scales, Kind::Float, &[bytes.size()[0]])?;
            (bytes, Some(scales))
        }
    };
    let scores = Tensor::empty([b, s, length], (Kind::Float, queries.device()));
    if scores.numel() == 0 {
        return Ok(scores);
    }
    runner.run(&Launch {
        program: Program {
            source: INDEXER_SCORES,
            constants: vec![("HEADS", heads), ("HEAD_WIDTH", width), ("FP8", i64::from(scales.is_some()))],
        },
        kernel: KERNEL,
        grid: [blocks(length, KEYS) as u32, blocks(s, BLOCK_QUERIES) as u32, b as u32],
        threads: THREADS,
        shared_bytes: scores_shared_bytes(heads, width) as u32,
        arguments: vec![
            pointer(Some(queries)),
            pointer(Some(weights)),
            pointer(Some(keys)),
            pointer(scales),
            pointer(Some(pages)),
            pointer(Some(positions)),
            pointer(Some(&scores)),
            int(s),
            int(length),
            int(columns),
            int(BLOCK_QUERIES),
        ],
    })?;
    Ok(scores)
}

/// Indices of the `k` best scores of every row, ascending, the lowest index first among equals, -1 where fewer exist: as
/// [`crate::topk::top_k`], for every row length.
///
/// # Shapes
/// `scores` [.., T] float32 -> [.., k] int32.
///
/// # Errors
/// As [`scores`].
pub fn top_k(runner: &dyn Runner, scores: &Tensor, k: i64) -> Result<Tensor> {
    const KERNEL: &str = "top_k";
    let mut size = scores.size();
    require(KERNEL, k > 0 && !size.is_empty(), || format!("{k} of {size:?}"))?;
    let length = size.pop().unwrap_or_default();
    check(KERNEL, "scores", scores, Kind::Float, &[size.clone(), vec![length]].concat())?;
    let rows: i64 = size.iter().product();
    size.push(k);
    let indices = Tensor::empty(&size, (Kind::Int, scores.device()));
    if rows == 0 {
        return Ok(indices);
    }
    runner.run(&Launch {
        program: Program { source: TOP_K, constants: vec![] },
        kernel: KERNEL,
        grid: [rows as u32, 1, 1],
        threads: ROW_THREADS,
        shared_bytes: 4 * (256 + ROW_THREADS / 32 + 2),
        arguments: vec![pointer(Some(scores)), pointer(Some(&indices)), int(length), int(k)],
    })?;
    Ok(indices)
}

/// Scores and [`top_k`] of all queries, some at a time so that scores never take more than 256 MiB.
///
/// # Shapes
/// As [`scores`], queries in bfloat16 and all other numbers of any kind -> [B, S, k] int64.
///
/// # Errors
/// As [`scores`].
pub fn select(
    runner: &dyn Runner,
    queries: &Tensor,
    weights: &Tensor,
    keys: Keys<'_>,
    pages: &Tensor,
    positions: &Tensor,
    k: i64,
) -> Result<Tensor> {
    const SCORES_MAX: i64 = 64 << 20;
    let length = pages.size()[1] * PAGE as i64;
    let (b, s) = (queries.size()[0], queries.size()[1]);
    let step = (SCORES_MAX / (b * length).max(1)).clamp(1, s.max(1));
    let (pages, positions) = (pages.to_kind(Kind::Int).contiguous(), positions.to_kind(Kind::Int));
    let weights = weights.to_kind(Kind::Float);
    let parts: Vec<Tensor> = (0..s)
        .step_by(step as usize)
        .map(|start| {
            let part = |x: &Tensor| x.narrow(1, start, step.min(s - start)).contiguous();
            let scores = scores(runner, &part(queries), &part(&weights), keys, &pages, &part(&positions), length)?;
            top_k(runner, &scores, k)
        })
        .collect::<Result<_>>()?;
    Ok(Tensor::cat(&parts, 1).to_kind(Kind::Int64))
}

/// Gradients of scores, float32 all.
#[derive(Debug)]
pub struct Gradients {
    /// [S, Hi, Di]
    pub queries: Tensor,
    /// [S, Hi]
    pub weights: Tensor,
    /// [T, Di]
    pub keys: Tensor,
}

/// Gradients of the scores `I[s, t] = sum_j w[s, j] relu(q[s, j] . k[t])` of one row of a batch. The same bits every time.
///
/// # Shapes
/// `queries` [S, Hi, Di] and `keys` [T, Di] bfloat16, `weights` [S, Hi] float32; `d_scores` [S, T] float32, zero where a key is masked
/// or not selected.
///
/// # Errors
/// As [`scores`].
pub fn backward(
    runner: &dyn Runner,
    queries: &Tensor,
    weights: &Tensor,
    keys: &Tensor,
    d_scores: &Tensor,
) -> Result<Gradients> {
    const KERNEL: &str = "indexer_backward";
    check(KERNEL, "queries", queries, Kind::BFloat16, &[-1, -1, -1])?;
    let (s, heads, width) = queries.size3()?;
    require(KERNEL, trains(heads, width), || {
        format!("{heads} heads of {width}: there may be 64 heads, of a multiple of 16 up to 512")
    })?;
    check(KERNEL, "weights", weights, Kind::Float, &[s, heads])?;
    check(KERNEL, "keys", keys, Kind::BFloat16, &[-1, width])?;
    let length = keys.size()[0];
    check(KERNEL, "d_scores", d_scores, Kind::Float, &[s, length])?;
    let zeros = |size: &[i64]| Tensor::zeros(size, (Kind::Float, queries.device()));
    let gradients =
        Gradients { queries: zeros(&[s, heads, width]), weights: zeros(&[s, heads]), keys: zeros(&[length, width]) };
    if s == 0 || length == 0 {
        return Ok(gradients);
    }
    let inputs = [pointer(Some(queries)), pointer(Some(weights)), pointer(Some(keys)), pointer(Some(d_scores))];
    let launch = |kernel, grid: i64, arguments: &[super::Argument]| Launch {
        program: Program { source: INDEXER_BACKWARD, constants: vec![("HEAD_WIDTH", width)] },
        kernel,
        grid: [grid as u32, 1, 1],
        threads: THREADS,
        shared_bytes: (2 * tile_bytes(TILE, width) + tile_bytes(TILE, TILE) + 2 * TILE * 4) as u32,
        arguments: [&inputs[..], arguments].concat(),
    };
    let outputs = [pointer(Some(&gradients.queries)), pointer(Some(&gradients.weights))];
    runner.run(&launch("indexer_query_backward", s, &[&outputs[..], &[int(heads), int(length)]].concat()))?;
    let outputs = [pointer(Some(&gradients.keys)), int(s), int(heads), int(length)];
    runner.run(&launch("indexer_key_backward", blocks(length, TILE), &outputs))?;
    Ok(gradients)
}

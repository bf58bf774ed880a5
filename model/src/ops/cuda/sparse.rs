//! Launches of attention over selected rows: `sparse_attention.cu` and `sparse_attention_backward.cu`.

use tch::{Kind, Tensor};

use super::{
    Argument, Launch, Program, Runner, SHARED_BYTES_MAX, SPARSE_ATTENTION, SPARSE_ATTENTION_BACKWARD, THREADS, TILE,
    blocks, check, int, pointer, require, runner_for, tile_bytes,
};
use crate::Result;
use crate::cache::packed;

/// Bytes of gradients a selected key each, before they are added up, at a time.
const SHARES_BYTES_MAX: i64 = 256 << 20;

/// Result of attention over selected rows.
#[derive(Debug)]
pub struct Attended {
    /// [Q, H, R] bfloat16; zeros where a query has no valid slot.
    pub out: Tensor,
    /// The largest score. [Q, H] float32; minus infinity where a query has no valid slot.
    pub largest: Tensor,
    /// Natural logarithm of the sum of exp(score). [Q, H] float32; plus infinity where a query has no valid slot.
    pub lse: Tensor,
}

/// Parts a selection is cut into, so that few queries keep a whole GPU busy: for decoding of up to 128 queries one for every 512 keys,
/// else one. The number decides the order of sums, so that a batch which must have the bits of another one asks for a fixed number.
pub fn parts_for(queries: i64, selected: i64) -> i64 {
    if queries > 128 { 1 } else { (selected + 511) / 512 }.max(1)
}

/// Whether [`attend`] has been written for these sizes.
pub fn fits(width: i64, rank: i64) -> bool {
    rank % 128 == 0 && rank > 0 && width % 16 == 0 && width >= rank && shared_bytes(width) <= SHARED_BYTES_MAX
}

/// Who can [`attend`] for these tensors: they lie on a device with a runner, queries in bfloat16. Where gradients are wanted, who can make
/// [`backward`] as well, which rows in fp8 have none of.
pub fn attender(query: &Tensor, rows: &Tensor, rank: i64) -> Option<&'static dyn Runner> {
    let width = query.size()[2];
    let learns = query.requires_grad() || rows.requires_grad();
    let kinds = query.kind() == Kind::BFloat16
        && (rows.kind() == Kind::BFloat16 || (rows.kind() == Kind::Uint8 && !learns))
        && rows.is_contiguous();
    let copied = rows.kind() != Kind::Uint8 || packed::row_bytes(width, rank) % 16 == 0;
    if kinds && copied && fits(width, rank) && (!learns || trains(width, rank)) {
        runner_for(query.device())
    } else {
        None
    }
}

/// Whether [`backward`] has been written for these sizes.
fn trains(width: i64, rank: i64) -> bool {
    rank % 16 == 0 && width % 16 == 0 && backward_shared_bytes(width, rank) <= SHARED_BYTES_MAX
}

fn backward_shared_bytes(width: i64, rank: i64) -> i64 {
    2 * tile_bytes(TILE, width) + tile_bytes(TILE, rank) + 2 * tile_bytes(TILE, TILE)
}

/// Queries, two buffers of keys, weights and what warps tell each other.
fn shared_bytes(width: i64) -> i64 {
    3 * tile_bytes(TILE, width) + tile_bytes(TILE, TILE) + 5 * TILE * 4
}

/// Attention from every query to its selected rows, in `parts` parts.
///
/// # Shapes
/// `query` [Q, H, W] bfloat16; `rows` [N, W] bfloat16, or [N, row_bytes] uint8 as [`packed`] makes them; `slots` [Q, K] int32, no row
/// where negative or not below N.
///
/// # Errors
/// [`crate::Error::Kernel`] for other shapes or sizes the kernel was not written for, and as [`Runner::run`].
pub fn attend(
    runner: &dyn Runner,
    query: &Tensor,
    rows: &Tensor,
    slots: &Tensor,
    rank: i64,
    scale: f64,
    parts: i64,
) -> Result<Attended> {
    const KERNEL: &str = "sparse_attention";
    check(KERNEL, "query", query, Kind::BFloat16, &[-1, -1, -1])?;
    let (queries, heads, width) = query.size3()?;
    require(KERNEL, fits(width, rank), || {
        format!(
            "width {width} must be a multiple of 16 and rank {rank} of 128, within {SHARED_BYTES_MAX} bytes of shared memory"
        )
    })?;
    let is_packed = rows.kind() == Kind::Uint8;
    if is_packed {
        let bytes = packed::row_bytes(width, rank);
        require(KERNEL, bytes % 16 == 0, || {
            format!("packed rows of {bytes} bytes, no multiple of 16, cannot be copied")
        })?;
        check(KERNEL, "rows", rows, Kind::Uint8, &[-1, packed::row_bytes(width, rank)])?;
    } else {
        check(KERNEL, "rows", rows, Kind::BFloat16, &[-1, width])?;
    }
    check(KERNEL, "slots", slots, Kind::Int, &[queries, -1])?;
    let selected = slots.size()[1];
    require(KERNEL, parts >= 1, || "there must be a part".to_owned())?;
    let device = query.device();
    let numbers = |size: &[i64], kind| Tensor::empty(size, (kind, device));
    let out = numbers(&[queries, heads, rank], Kind::BFloat16);
    let (largest, lse) = (numbers(&[queries, heads], Kind::Float), numbers(&[queries, heads], Kind::Float));
    if out.numel() == 0 {
        return Ok(Attended { out, largest, lse });
    }
    let part_keys = ((selected + parts - 1) / parts + TILE - 1) / TILE * TILE;
    let partial = (parts > 1).then(|| {
        let of = |last: &[i64]| numbers(&[&[parts, queries, heads], last].concat(), Kind::Float);
        (of(&[rank]), of(&[]), of(&[]))
    });
    let program = Program {
        source: SPARSE_ATTENTION,
        constants: vec![("WIDTH", width), ("RANK", rank), ("FP8", i64::from(is_packed))],
    };
    let (first_largest, first_lse) = partial.as_ref().map_or((&largest, &lse), |(_, largest, lse)| (largest, lse));
    runner.run(&Launch {
        program: program.clone(),
        kernel: KERNEL,
        grid: [queries as u32, blocks(heads, TILE) as u32, parts as u32],
        threads: THREADS,
        shared_bytes: shared_bytes(width) as u32,
        arguments: vec![
            pointer(Some(query)),
            pointer(Some(rows)),
            pointer(Some(slots)),
            pointer(Some(&out)),
            pointer(partial.as_ref().map(|(out, ..)| out)),
            pointer(Some(first_largest)),
            pointer(Some(first_lse)),
            int(heads),
            int(selected),
            int(rows.size()[0]),
            int(part_keys),
            Argument::Float(scale as f32),
        ],
    })?;
    if let Some((partial, part_largest, part_lse)) = &partial {
        runner.run(&Launch {
            program,
            kernel: "combine_parts",
            grid: [(queries * heads) as u32, 1, 1],
            threads: 128,
            shared_bytes: 0,
            arguments: vec![
                pointer(Some(partial)),
                pointer(Some(part_largest)),
                pointer(Some(part_lse)),
                pointer(Some(&out)),
                pointer(Some(&largest)),
                pointer(Some(&lse)),
                int(parts),
            ],
        })?;
    }
    Ok(Attended { out, largest, lse })
}

/// Gradients of [`attend`] for its queries and rows.
#[derive(Debug)]
pub struct Gradients {
    /// [Q, H, W] bfloat16
    pub query: Tensor,
    /// [N, W] float32
    pub rows: Tensor,
}

/// Gradients from those of the result. The same bits every time: nothing is added in an order that chance decides.
///
/// # Shapes
/// `query`, `rows`, `slots` as in [`attend`], rows in bfloat16; `d_out` [Q, H, R] bfloat16.
///
/// # Errors
/// As [`attend`].
pub fn backward(
    runner: &dyn Runner,
    query: &Tensor,
    rows: &Tensor,
    slots: &Tensor,
    attended: &Attended,
    d_out: &Tensor,
    scale: f64,
) -> Result<Gradients> {
    const KERNEL: &str = "sparse_attention_backward";
    check(KERNEL, "query", query, Kind::BFloat16, &[-1, -1, -1])?;
    let (queries, heads, width) = query.size3()?;
    let rank = attended.out.size()[2];
    check(KERNEL, "rows", rows, Kind::BFloat16, &[-1, width])?;
    check(KERNEL, "slots", slots, Kind::Int, &[queries, -1])?;
    check(KERNEL, "d_out", d_out, Kind::BFloat16, &[queries, heads, rank])?;
    let shared = backward_shared_bytes(width, rank);
    require(KERNEL, trains(width, rank), || {
        format!(
            "width {width} and rank {rank} must be multiples of 16, within {SHARED_BYTES_MAX} bytes of shared memory"
        )
    })?;
    let (count, selected, device) = (rows.size()[0], slots.size()[1], query.device());
    let groups = blocks(heads, TILE);
    let d_query = Tensor::empty([queries, heads, width], (Kind::BFloat16, device));
    let d_rows = Tensor::zeros([count, width], (Kind::Float, device));
    if d_query.numel() == 0 || selected == 0 {
        return Ok(Gradients { query: d_query.zeros_like(), rows: d_rows });
    }
    let delta =
        (attended.out.to_kind(Kind::Float) * d_out.to_kind(Kind::Float)).sum_dim_intlist(-1, false, Kind::Float); // [Q, H]
    let step = (SHARES_BYTES_MAX / (groups * selected * width * 4)).clamp(1, queries);
    let shares = Tensor::empty([step, groups, selected, width], (Kind::Float, device));
    let program = Program { source: SPARSE_ATTENTION_BACKWARD, constants: vec![("WIDTH", width), ("RANK", rank)] };
    for start in (0..queries).step_by(step as usize) {
        let some = step.min(queries - start);
        let part = |x: &Tensor| x.narrow(0, start, some);
        let (query, slots, d_out) = (part(query), part(slots), part(d_out));
        let (lse, delta, d_query) = (part(&attended.lse), part(&delta), part(&d_query));
        runner.run(&Launch {
            program: program.clone(),
            kernel: KERNEL,
            grid: [some as u32, groups as u32, 1],
            threads: THREADS,
            shared_bytes: shared as u32,
            arguments: vec![
                pointer(Some(&query)),
                pointer(Some(rows)),
                pointer(Some(&slots)),
                pointer(Some(&d_out)),
                pointer(Some(&lse)),
                pointer(Some(&delta)),
                pointer(Some(&d_query)),
                pointer(Some(&shares)),
                int(heads),
                int(selected),
                int(count),
                Argument::Float(scale as f32),
            ],
        })?;
        let (entries, begins) = by_row(&slots, count);
        runner.run(&Launch {
            program: program.clone(),
            kernel: "add_shares",
            grid: [count as u32, 1, 1],
            threads: THREADS,
            shared_bytes: 0,
            arguments: vec![
                pointer(Some(&shares)),
                pointer(Some(&entries)),
                pointer(Some(&begins)),
                pointer(Some(&d_rows)),
                int(groups),
                int(selected),
            ],
        })?;
    }
    Ok(Gradients { query: d_query, rows: d_rows })
}

/// Which places of a selection name each row: the places sorted by row, in their own order where they name the same one, and where
/// each row's begin.
///
/// # Shapes
/// `slots` [Q, K] int32 -> `[valid]` int32 and [N + 1] int32.
fn by_row(slots: &Tensor, count: i64) -> (Tensor, Tensor) {
    let flat = slots.reshape([-1]).to_kind(Kind::Int64);
    let invalid = flat.lt(0).logical_or(&flat.ge(count));
    let (sorted, order) = flat.masked_fill(&invalid, count).sort_stable(true, 0, false);
    let rows = Tensor::arange(count + 1, (Kind::Int64, slots.device()));
    let begins = rows.searchsorted(&sorted, false, false, "left", None::<Tensor>);
    (order.to_kind(Kind::Int), begins.to_kind(Kind::Int))
}

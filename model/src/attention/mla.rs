//! Multi-head latent attention in absorbed form (DeepSeek-V2, arXiv 2405.04434, section 2.1; V3.2 report, figure 2).
//!
//! Keys and values of all heads are linear in one latent row a token, `kv_b_proj`. Its key half is folded into the query
//! and its value half into the output, so that only the latent (R numbers) and one rotated key (Dr numbers) are stored,
//! and every selected row is read once for all heads.

use tch::Tensor;

use super::indexer::Indexer;
use super::sparse::sparse_attention;
use super::{Keys, Pass};
use crate::config::Config;
use crate::norm::rms_norm;
use crate::rope::Layout;
use crate::rows::{linear, per_head};
use crate::stages::{Stage, stage};

/// Epsilon of the norms on the latents: fixed, unlike `rms_norm_eps` of the hidden state.
const LATENT_NORM_EPS: f64 = 1e-6;

/// Weights of one attention layer.
#[derive(Debug)]
pub struct Attention {
    pub q_a_proj: Tensor,           // [Rq, M]
    pub q_a_layernorm: Tensor,      // [Rq]
    pub q_b_proj: Tensor,           // [H (Dn + Dr), Rq]
    pub kv_a_proj_with_mqa: Tensor, // [R + Dr, M]
    pub kv_a_layernorm: Tensor,     // [R]
    pub kv_b_proj: Tensor,          // [H (Dn + Dv), R]
    pub o_proj: Tensor,             // [M, H Dv]
    /// Absent in layers that take the selection of the layer before.
    pub indexer: Option<Indexer>,
}

impl Attention {
    /// Attend. `extend` stores the pass's new rows (and indexer keys) and answers with all keys the pass may look at;
    /// `shared` is the selection of the layer before.
    ///
    /// # Shapes
    /// `x` [B, S, M] -> output [B, S, M] and the selected positions [B, S, K] int64 (-1: none).
    pub fn forward(
        &self,
        x: &Tensor,
        pass: &Pass,
        shared: Option<&Tensor>,
        config: &Config,
        extend: impl FnOnce(&Tensor, Option<&Tensor>) -> Keys,
    ) -> (Tensor, Tensor) {
        let [b, s, _] = x.size()[..] else { unreachable!("callers pass [B, S, M]") };
        let (heads, nope, rotated) = (config.num_attention_heads, config.qk_nope_head_dim, config.qk_rope_head_dim);
        let (rank, value) = (config.kv_lora_rank, config.v_head_dim);

        let (q_latent, q, q_rotated, row) = stage(Stage::Projections, || {
            let q_latent = rms_norm(&linear(x, &self.q_a_proj), &self.q_a_layernorm, LATENT_NORM_EPS); // [B, S, Rq]
            let q = linear(&q_latent, &self.q_b_proj).view([b, s, heads, nope + rotated]); // [B, S, H, Dn + Dr]
            let q_rotated = pass.rotation.apply(&q.narrow(-1, nope, rotated), Layout::Interleaved); // [B, S, H, Dr]
            let kv = linear(x, &self.kv_a_proj_with_mqa); // [B, S, R + Dr]
            let latent = rms_norm(&kv.narrow(-1, 0, rank), &self.kv_a_layernorm, LATENT_NORM_EPS); // [B, S, R]
            let k_rotated = pass.rotation.apply(&kv.narrow(-1, rank, rotated).unsqueeze(2), Layout::Interleaved);
            let row = Tensor::cat(&[latent, k_rotated.squeeze_dim(2)], -1); // [B, S, R + Dr]
            (q_latent, q, q_rotated, row)
        });

        // The indexer learns only from its own loss: what it reads is cut off from the graph.
        let index = self.indexer.as_ref().map(|indexer| (indexer, x.detach(), q_latent.detach()));
        let index_key =
            index.as_ref().map(|(indexer, x, _)| stage(Stage::IndexerProjections, || indexer.keys(x, pass, config))); // [B, S, Di]
        let keys = stage(Stage::Cache, || extend(&row, index_key.as_ref()));
        let selected = match (index, &keys.index, shared) {
            (Some((indexer, x, q_latent)), Some(index_keys), _) => tch::no_grad(|| {
                let queries = stage(Stage::IndexerProjections, || indexer.queries(&x, &q_latent, pass, config));
                stage(Stage::Indexer, || queries.select(index_keys, pass, config))
            }),
            (_, _, Some(shared)) => shared.shallow_clone(),
            _ => unreachable!("Config::validate: layer 0 has an indexer"),
        }; // [B, S, K]

        let kv_b = self.kv_b_proj.view([heads, nope + value, rank]); // [H, Dn + Dv, R]
        let query = stage(Stage::Projections, || {
            let absorbed = per_head(&q.narrow(-1, 0, nope).reshape([b * s, heads, nope]), &kv_b.narrow(1, 0, nope)); // [B S, H, R]
            Tensor::cat(&[absorbed, q_rotated.reshape([b * s, heads, rotated])], -1) // [B S, H, R + Dr]
        });
        let mixed = stage(Stage::Core, || {
            let slots = pass.slots(&selected).view([b * s, -1]); // [B S, K]
            sparse_attention(&query, &keys.rows, &slots, rank, config.softmax_scale()) // [B S, H, R]
        });
        let out = stage(Stage::Projections, || {
            let out = per_head(&mixed, &kv_b.narrow(1, nope, value).transpose(1, 2)); // [B S, H, Dv]
            linear(&out.reshape([b, s, heads * value]), &self.o_proj)
        });
        (out, selected)
    }
}

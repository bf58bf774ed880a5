//! DeepSeek Sparse Attention: a cheap indexer scores all earlier positions, the best `index_topk` are kept, and latent
//! attention looks only at those (DeepSeek-V3.2 report, arXiv 2512.02556, section 2.1).
//!
//! - [`mla`]: projections of latent attention in absorbed form: one latent row a token serves all heads.
//! - [`indexer`]: scores and selection.
//! - [`sparse`]: softmax and weighted sum over the selected rows.

pub mod indexer;
pub mod mla;
pub mod sparse;

use tch::Tensor;

use crate::cache::IndexKeys;
use crate::rope::Rotation;

/// What all layers of one pass share about its queries and keys.
#[derive(Debug)]
pub struct Pass {
    /// Position of every query. [B, S] int64
    pub positions: Tensor,
    /// The largest position any row starts at; a row's positions are consecutive.
    pub first_position: i64,
    /// Angles of those positions.
    pub rotation: Rotation,
    /// Pages that hold row b's keys, in order of position. [B, P] int64
    pub pages: Tensor,
    /// Positions in one page.
    pub page_size: i64,
}

impl Pass {
    /// Number of key positions a query can name: all those of its pages. A position after the query is masked.
    pub fn key_length(&self) -> i64 {
        self.pages.size()[1] * self.page_size
    }

    /// The key rows of a pool in order of position.
    ///
    /// # Shapes
    /// `pool` [N, I] -> [B, T, I].
    pub fn gather(&self, pool: &Tensor) -> Tensor {
        let [b, pages] = self.pages.size()[..] else { unreachable!("pages are [B, P]") };
        let width = pool.size()[1];
        let paged = pool.view([-1, self.page_size * width]).index_select(0, &self.pages.reshape([-1]));
        paged.view([b, pages * self.page_size, width])
    }

    /// Rows of the key pool that hold `positions`; -1 stays -1.
    ///
    /// # Shapes
    /// `positions` [B, S, K] int64 -> [B, S, K] int64.
    pub fn slots(&self, positions: &Tensor) -> Tensor {
        let [b, s, k] = positions.size()[..] else { unreachable!("callers pass [B, S, K]") };
        if positions.device() == tch::Device::Cpu {
            return crate::ops::slots(positions, &self.pages, self.page_size);
        }
        let real = positions.clamp_min(0);
        let page = self.pages.gather(1, &real.floor_divide_scalar(self.page_size).view([b, s * k]), false);
        let slot = page.view([b, s, k]) * self.page_size + real.remainder(self.page_size);
        slot.masked_fill(&positions.lt(0), -1)
    }
}

/// The keys of one layer that a pass can look at.
#[derive(Debug)]
pub struct Keys {
    /// Latent and rotated key side by side, one row a token. [N, R + Dr]
    pub rows: Tensor,
    /// Indexer keys; absent in layers that share a selection.
    pub index: Option<IndexKeys>,
}

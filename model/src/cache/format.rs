//! How cached rows and indexer keys are stored.

use tch::{Device, Kind};

use super::packed;
use crate::place::Place;
use crate::{Config, Error, Result};

/// How latent rows are stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RowFormat {
    /// In the kind the model computes in.
    #[default]
    Exact,
    /// The latent part in fp8 with a scale every 128 numbers, the rotated part in bfloat16 ([`packed`]): 656 bytes at the published
    /// sizes, where bfloat16 takes 1,152 and float32 2,304.
    Fp8,
}

/// How indexer keys are stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IndexFormat {
    /// In the kind the model computes in: selections are those of the plain definition.
    #[default]
    Exact,
    /// A byte a number and a scale a key ([`crate::ops::index_scan`]): a quarter of the memory and several times the
    /// speed; nearly the same selection. On the CPU.
    Int8,
    /// An e4m3 byte a number and a scale a key, the published form: 132 bytes at the published sizes. The kernel of a GPU reads it as it
    /// is; on the CPU it is made wide first, which is slow.
    Fp8,
}

/// Both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Format {
    pub rows: RowFormat,
    pub index: IndexFormat,
}

impl From<IndexFormat> for Format {
    /// With exact rows.
    fn from(index: IndexFormat) -> Self {
        Self { index, ..Self::default() }
    }
}

impl Format {
    /// # Errors
    /// [`Error::Cache`] if a model of this shape, in this place, cannot have it.
    pub(super) fn check(self, config: &Config, place: Place) -> Result<()> {
        let refuse = |reason: String| Err(Error::Cache(reason));
        if self.index == IndexFormat::Int8 {
            let fits = config.index_head_dim % 4 == 0 && place.device == Device::Cpu && place.kind != Kind::Double;
            if !fits {
                return refuse(
                    "int8 indexer keys need a float32 or bfloat16 model on the CPU with heads of 4 n".into(),
                );
            }
        }
        if self.rows == RowFormat::Fp8 {
            if config.kv_lora_rank % packed::GROUP != 0 {
                let rank = config.kv_lora_rank;
                return refuse(format!(
                    "fp8 rows need a latent rank that is a multiple of {}, not {rank}",
                    packed::GROUP
                ));
            }
            if place.kind == Kind::Double {
                return refuse("fp8 rows need a float32 or bfloat16 model".into());
            }
        }
        Ok(())
    }
}

//! Where the embedded model computes and how its cache is stored: arguments, and what they come to.

use crate::cuda;
use anyhow::{Result, anyhow};
use clap::{Args, ValueEnum};
use terrarium_model::cache::{Format, IndexFormat, RowFormat};
use terrarium_model::{Device, DeviceChoice, Kind, Place, runtime};

/// Where the embedded model computes.
#[derive(Args, Debug, Clone, Copy, Default)]
pub struct PlaceArgs {
    /// Device of the model: auto (a CUDA device where one can be used) | cpu | cuda | cuda:N
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    pub device: DeviceChoice,
    /// Kind of its numbers (default: bfloat16 on CUDA, else float32; of `model logits` float64).
    #[arg(long, value_enum, value_name = "KIND")]
    pub dtype: Option<DType>,
}

/// A kind that a model computes in.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum DType {
    Float64,
    Float32,
    Bfloat16,
}

impl PlaceArgs {
    /// The device, ready for the kernels, and the kind; `otherwise` where none was asked for. `note` is told why kernels cannot run on a
    /// device that libtorch's own operations can use.
    ///
    /// # Errors
    /// A CUDA device was asked for that cannot be used: what was looked for, and what is missing.
    pub fn settle(self, otherwise: Option<Kind>, note: impl FnOnce(&str)) -> Result<Place> {
        let devices = || runtime::info().cuda_devices;
        let device = self.device.settle(cuda::look, devices).map_err(|reason| anyhow!(reason))?;
        if let Device::Cuda(number) = device
            && let Err(reason) = cuda::open(number)
        {
            note(&format!("the kernels do not run on CUDA device {number}, libtorch's own operations do: {reason}"));
        }
        let kind = match (self.dtype, otherwise) {
            (Some(DType::Float64), _) => Kind::Double,
            (Some(DType::Float32), _) => Kind::Float,
            (Some(DType::Bfloat16), _) => Kind::BFloat16,
            (None, Some(kind)) => kind,
            (None, None) if device == Device::Cpu => Kind::Float,
            (None, None) => Kind::BFloat16,
        };
        Ok(Place { device, kind })
    }
}

/// `cpu, float32` for example.
pub fn name(place: Place) -> String {
    let device = match place.device {
        Device::Cuda(number) => format!("cuda:{number}"),
        _ => "cpu".to_owned(),
    };
    format!("{device}, {}", kind_name(place.kind))
}

/// `float64`, `float32` or `bfloat16`.
pub fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Double => "float64",
        Kind::BFloat16 => "bfloat16",
        _ => "float32",
    }
}

/// How the cache is stored.
#[derive(Args, Debug, Clone, Copy)]
pub struct CacheArgs {
    /// Form of cached rows.
    #[arg(long, value_enum, default_value = "exact")]
    pub rows: RowKind,
    /// Form of cached indexer keys.
    #[arg(long, value_enum, default_value = "exact")]
    pub index: IndexKind,
}

/// How latent rows are stored.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// In the model's kind.
    Exact,
    /// Latent part in fp8, rotated part in bfloat16: 656 bytes at the published sizes.
    Fp8,
}

/// How indexer keys are stored.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexKind {
    /// In the model's kind.
    Exact,
    /// A byte a number and a scale a key, for the CPU.
    Int8,
    /// An e4m3 byte a number and a scale a key, for CUDA.
    Fp8,
}

impl RowKind {
    /// As the model's crate calls it.
    pub fn format(self) -> RowFormat {
        match self {
            Self::Exact => RowFormat::Exact,
            Self::Fp8 => RowFormat::Fp8,
        }
    }
}

impl IndexKind {
    /// As the model's crate calls it.
    pub fn format(self) -> IndexFormat {
        match self {
            Self::Exact => IndexFormat::Exact,
            Self::Int8 => IndexFormat::Int8,
            Self::Fp8 => IndexFormat::Fp8,
        }
    }
}

impl CacheArgs {
    /// As the model's crate calls it.
    pub fn format(self) -> Format {
        Format { rows: self.rows.format(), index: self.index.format() }
    }
}

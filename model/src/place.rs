//! Where a model computes, and in which kind.

use tch::{Device, Kind};

use crate::runtime::cuda::Found;
use crate::{Error, Result};

/// A device and the kind of the numbers there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub device: Device,
    /// Float64, float32 or bfloat16. A bfloat16 model keeps its router, its head weights of the indexer and every sum it normalises
    /// in float32, as the published code does.
    pub kind: Kind,
}

impl From<Kind> for Place {
    /// On the CPU.
    fn from(kind: Kind) -> Self {
        Self { device: Device::Cpu, kind }
    }
}

impl Place {
    /// The kind of sums and choices: float64 of a float64 model, else float32.
    pub fn wide(self) -> Kind {
        wide(self.kind)
    }

    /// The kind a weight is kept in.
    pub(crate) fn kind_of(self, name: &str) -> Kind {
        const WIDE: [&str; 5] = [
            ".mlp.gate.weight",
            ".e_score_correction_bias",
            ".indexer.weights_proj.weight",
            ".indexer.k_norm.weight",
            ".indexer.k_norm.bias",
        ];
        if WIDE.iter().any(|end| name.ends_with(end)) { self.wide() } else { self.kind }
    }

    /// # Errors
    /// [`Error::Config`] for a kind no model computes in.
    pub(crate) fn check(self) -> Result<()> {
        if matches!(self.kind, Kind::Float | Kind::Double | Kind::BFloat16) {
            return Ok(());
        }
        Err(Error::Config(format!("cannot compute in {:?}, only in Float, Double and BFloat16", self.kind)))
    }
}

/// Float32 for bfloat16; other kinds as they are.
pub(crate) fn wide(kind: Kind) -> Kind {
    if kind == Kind::BFloat16 { Kind::Float } else { kind }
}

/// A device as it is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The first CUDA device if this process can use one, else the CPU.
    #[default]
    Auto,
    Cpu,
    /// This CUDA device, or an error.
    Cuda(usize),
}

impl std::str::FromStr for DeviceChoice {
    type Err = String;

    /// `cpu`, `cuda` (the first), `cuda:N` or `auto`.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => {
                let number = text.strip_prefix("cuda:").and_then(|number| number.parse().ok());
                number.map(Self::Cuda).ok_or_else(|| format!("`{text}` is none of auto, cpu, cuda, cuda:N"))
            }
        }
    }
}

impl DeviceChoice {
    /// The device, given what was found of CUDA and how many of its devices libtorch sees.
    ///
    /// # Errors
    /// A device was asked for that cannot be used: everything that was looked for, what is missing of it, and what to do.
    pub fn settle(
        self,
        found: impl FnOnce() -> Found,
        devices: impl FnOnce() -> i64,
    ) -> std::result::Result<Device, String> {
        let number = match self {
            Self::Cpu => return Ok(Device::Cpu),
            Self::Auto => return Ok(if found().in_use { Device::Cuda(0) } else { Device::Cpu }),
            Self::Cuda(number) => number,
        };
        let found = found();
        if !found.in_use {
            return Err(format!(
                "CUDA device {number} cannot be used. Driver: {}. Libtorch for CUDA: {}. NVRTC: {}. `--device cpu` computes on the CPU, \
                 `terrarium model info` looks for all of it again",
                found.driver, found.libtorch, found.nvrtc
            ));
        }
        let devices = devices();
        if number as i64 >= devices {
            return Err(format!("there is no CUDA device {number}: libtorch sees {devices}, numbered from 0"));
        }
        Ok(Device::Cuda(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::cuda::Part;

    fn found(in_use: bool) -> Found {
        let missing = |what: &str| Part::Missing(what.to_owned());
        let (driver, libtorch, nvrtc) =
            (missing("no libcuda.so.1"), missing("python3 has no torch"), missing("no NVRTC"));
        Found { driver, libtorch, nvrtc, device: missing("none"), in_use }
    }

    #[test]
    fn choices_are_read_and_settled() {
        let read = |text: &str| text.parse::<DeviceChoice>();
        assert_eq!(["auto", "cpu", "cuda", "cuda:3"].map(|text| read(text).unwrap()), {
            use DeviceChoice::*;
            [Auto, Cpu, Cuda(0), Cuda(3)]
        });
        assert!(read("gpu").unwrap_err().contains("cuda:N") && read("cuda:x").is_err());
        let settle = |choice: DeviceChoice, in_use, devices| choice.settle(|| found(in_use), || devices);
        assert_eq!(settle(DeviceChoice::Auto, false, 0), Ok(Device::Cpu));
        assert_eq!(settle(DeviceChoice::Auto, true, 1), Ok(Device::Cuda(0)));
        assert_eq!(settle(DeviceChoice::Cpu, true, 1), Ok(Device::Cpu));
        assert_eq!(settle(DeviceChoice::Cuda(1), true, 2), Ok(Device::Cuda(1)));
        assert!(settle(DeviceChoice::Cuda(2), true, 2).unwrap_err().contains("sees 2"));
        let error = settle(DeviceChoice::Cuda(0), false, 0).unwrap_err();
        for part in ["libcuda.so.1", "python3 has no torch", "no NVRTC", "--device cpu"] {
            assert!(error.contains(part), "{part} in {error}");
        }
    }

    #[test]
    fn routers_stay_wide() {
        let place = Place::from(Kind::BFloat16);
        assert_eq!(place.kind_of("model.layers.1.mlp.gate.weight"), Kind::Float);
        assert_eq!(place.kind_of("model.layers.1.mlp.gate_proj.weight"), Kind::BFloat16);
        assert_eq!(Place::from(Kind::Double).kind_of("model.layers.1.mlp.gate.weight"), Kind::Double);
        assert!(place.check().is_ok() && Place::from(Kind::Half).check().is_err());
    }
}

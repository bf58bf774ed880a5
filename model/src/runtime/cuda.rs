//! A GPU at run time: its driver, a libtorch for CUDA, NVRTC. Nothing of them is needed to build or to run on the CPU.
//!
//! The binary is linked against libtorch for the CPU. On a machine with a GPU it starts itself again ([`restart`]) with the library
//! path at a CUDA libtorch of the same version, found in a folder or in Python's torch, so that all of libtorch comes from one build,
//! and loads the CUDA part ([`load`]) before anything asks libtorch a question: the first question fixes what libtorch can do.
//!
//! This module reads no variables of the process; callers do, under the names below.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::ops::cuda::{compile, device};

/// `off`: stay on the CPU. A folder: the CUDA libtorch to use, a torch package or an unpacked libtorch. Unset: Python's torch.
pub const CHOICE: &str = "TERRARIUM_CUDA";
/// Set for a process that has been started again: the `lib` folder its libtorch comes from.
pub const STARTED: &str = "TERRARIUM_CUDA_LIBTORCH";
/// Where the system's loader looks first.
pub const LIBRARY_PATH: &str = "LD_LIBRARY_PATH";

/// The version tch is made for.
const VERSION: &str = env!("TERRARIUM_LIBTORCH_VERSION");

/// Part by part what there is, or why there is not.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Found {
    /// Devices that the driver sees.
    pub driver: Part,
    /// The `lib` folder of a CUDA libtorch of the right version.
    pub libtorch: Part,
    /// The compiler of the kernels.
    pub nvrtc: Part,
    /// The device that runs the kernels.
    pub device: Part,
    /// Whether this process runs on the CUDA libtorch.
    pub in_use: bool,
}

/// What was found of a part.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Found(String),
    Missing(String),
}

impl From<Result<String, String>> for Part {
    fn from(result: Result<String, String>) -> Self {
        result.map_or_else(Self::Missing, Self::Found)
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Found(text) => f.write_str(text),
            Self::Missing(reason) => write!(f, "none: {reason}"),
        }
    }
}

/// Look for everything. `choice` and `started` are the values of [`CHOICE`] and [`STARTED`].
pub fn look(choice: Option<&OsStr>, started: Option<&OsStr>) -> Found {
    let libtorch = match started {
        Some(folder) => Ok(PathBuf::from(folder)),
        None => find_libtorch(choice),
    };
    let folders = nvrtc_folders(libtorch.as_deref().ok());
    let nvrtc = compile::open(&folders).map(|nvrtc| {
        let place = nvrtc.folder.map_or_else(|| "the system's".to_owned(), |folder| folder.display().to_string());
        format!("{}.{}, {place}", nvrtc.version.0, nvrtc.version.1)
    });
    let driver = device::count().map(|count| format!("{count} devices"));
    let device = device::get(0, &folders).map(|device| format!("{}, {}", device.name(), device.architecture()));
    Found {
        driver: driver.into(),
        libtorch: libtorch.map(|folder| folder.display().to_string()).into(),
        nvrtc: nvrtc.into(),
        device: device.into(),
        in_use: started.is_some() && tch::Cuda::is_available(),
    }
}

/// Open a CUDA device that libtorch uses in this process, so that kernels run there. `started` is the value of [`STARTED`]. The name of
/// the device.
///
/// # Errors
/// Why the kernels cannot run there; libtorch's own operations can.
pub fn open(number: usize, started: Option<&OsStr>) -> Result<&'static str, String> {
    device::get(number, &nvrtc_folders(started.map(Path::new))).map(device::Device::name)
}

/// Folders to look for NVRTC in: where `setup/libtorch.py` puts it, and beside a CUDA libtorch that came from Python's packages.
pub fn nvrtc_folders(libtorch: Option<&Path>) -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::from(env!("TERRARIUM_NVRTC"))];
    folders.extend(libtorch.map(|lib| lib.join("../../nvidia/cu13/lib")));
    folders
}

/// The `lib` folder of a CUDA libtorch of this binary's version: the folder `choice` names, or that of Python's torch.
///
/// # Errors
/// What was looked at and what is wrong with it.
pub fn find_libtorch(choice: Option<&OsStr>) -> Result<PathBuf, String> {
    let folder = match choice {
        Some(choice) if choice == "off" => return Err(format!("{CHOICE}=off")),
        Some(choice) => PathBuf::from(choice),
        None => python_torch()?,
    };
    check_libtorch(&folder)
}

/// The folder of the torch that `python3` would import.
fn python_torch() -> Result<PathBuf, String> {
    const QUESTION: &str =
        "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')";
    let answer = Command::new("python3").args(["-c", QUESTION]).output();
    let answer = answer.map_err(|error| format!("python3 does not start ({error}); name a folder with {CHOICE}"))?;
    let folder = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    if folder.is_empty() {
        return Err(format!("python3 has no torch; install torch {VERSION} or name a folder with {CHOICE}"));
    }
    Ok(PathBuf::from(folder))
}

/// Its `lib` folder, if it is a CUDA libtorch of the right version.
fn check_libtorch(folder: &Path) -> Result<PathBuf, String> {
    let lib = folder.join("lib");
    // A Python package says its version in version.py, an unpacked libtorch in build-version.
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
    let version = read("version.py")
        .and_then(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix("__version__ = ").map(str::to_owned))?;
            Some(line.trim().trim_matches(['\'', '"']).to_owned())
        })
        .or_else(|| read("build-version").map(|text| text.trim().to_owned()))
        .ok_or_else(|| format!("{} is no libtorch: neither version.py nor build-version is there", folder.display()))?;
    if version.split('+').next() != Some(VERSION) {
        return Err(format!("{} is libtorch {version}, and this binary needs {VERSION}", folder.display()));
    }
    if !lib.join("libtorch_cuda.so").is_file() {
        return Err(format!("{} is libtorch {version} without CUDA", folder.display()));
    }
    Ok(lib)
}

/// Whether a process should start itself again: there is a device, and a libtorch for it.
///
/// # Errors
/// Why not; nothing is wrong with a machine that has no GPU.
pub fn wanted(choice: Option<&OsStr>) -> Result<PathBuf, String> {
    if choice.is_some_and(|choice| choice == "off") {
        return Err(format!("{CHOICE}=off"));
    }
    match device::count()? {
        0 => Err("the CUDA driver sees no device".to_owned()),
        _ => find_libtorch(choice),
    }
}

/// Replace this process by itself, same arguments, on the libtorch in `lib`. `library_path` is the present value of [`LIBRARY_PATH`].
/// Returns only on failure, and then the program may go on, on the CPU.
pub fn restart(lib: &Path, library_path: Option<&OsStr>) -> std::io::Error {
    let mut path = OsString::from(lib);
    if let Some(rest) = library_path.filter(|rest| !rest.is_empty()) {
        path.push(":");
        path.push(rest);
    }
    super::restart_with(&[(LIBRARY_PATH, &path), (STARTED, lib.as_os_str())])
}

/// Load libtorch's CUDA part, in a process that [`restart`] has started. It must come before every other use of libtorch.
///
/// # Errors
/// Why the loader refuses it.
pub fn load() -> Result<(), String> {
    device::load_for_all("libtorch_cuda.so")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_cuda_libtorch_of_this_version_will_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let error = |path: &Path| check_libtorch(path).unwrap_err();
        assert!(error(path).contains("no libtorch"));
        std::fs::write(path.join("version.py"), "__version__ = '2.10.0+cu128'\ndebug = False\n").unwrap();
        assert!(error(path).contains("2.10.0+cu128"));
        std::fs::write(path.join("version.py"), format!("__version__ = '{VERSION}+cu130'\n")).unwrap();
        assert!(error(path).contains("without CUDA"));
        std::fs::create_dir(path.join("lib")).unwrap();
        std::fs::write(path.join("lib/libtorch_cuda.so"), "").unwrap();
        assert_eq!(find_libtorch(Some(path.as_os_str())), Ok(path.join("lib")));
        std::fs::remove_file(path.join("version.py")).unwrap();
        std::fs::write(path.join("build-version"), format!("{VERSION}+cu130\n")).unwrap();
        assert_eq!(find_libtorch(Some(path.as_os_str())), Ok(path.join("lib")));
        assert_eq!(find_libtorch(Some(OsStr::new("off"))), Err("TERRARIUM_CUDA=off".to_owned()));
        assert!(wanted(Some(OsStr::new("off"))).is_err());
    }

    #[test]
    fn what_is_missing_says_why() {
        let found = look(Some(OsStr::new("off")), None);
        assert_eq!(found.libtorch, Part::Missing("TERRARIUM_CUDA=off".into()));
        assert!(!found.in_use);
        if let Part::Missing(reason) = &found.driver {
            assert!(reason.contains("driver"), "{reason}");
            assert!(matches!(found.device, Part::Missing(_)));
        }
    }
}

//! Core modules by `wasm-smith`, which runs in a process of its own (`tests/smith`): inside the workspace it would change the features of
//! what Cranelift depends on.

use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// Most modules in one answer are a few KB.
const MODULE_BYTES_MAX: usize = 16 << 20;

/// The program and its running processes, one for each thread that asks.
pub struct Smiths {
    program: PathBuf,
    idle: Mutex<Vec<Smith>>,
}

struct Smith {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Smiths {
    /// Nothing is started yet.
    pub fn new(program: &Path) -> Smiths {
        Smiths { program: program.to_owned(), idle: Mutex::default() }
    }

    /// A module with the exports of another, names and types; its bodies follow from `entropy`.
    ///
    /// # Errors
    /// When the program does not start or answer, or `wasm-smith` makes nothing of the entropy.
    pub fn module(&self, exports: &[u8], entropy: &[u8]) -> Result<Vec<u8>, String> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let failed = |error: io::Error| format!("{}: {error}", self.program.display());
        let mut smith = taken.map_or_else(|| Smith::start(&self.program), Ok).map_err(failed)?;
        let answer = smith.ask(exports, entropy).map_err(failed)?;
        idle().push(smith);
        answer
    }
}

impl Smith {
    fn start(program: &Path) -> io::Result<Smith> {
        let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let pipe = || io::Error::other("its pipes are missing");
        let input = child.stdin.take().ok_or_else(pipe)?;
        let output = BufReader::new(child.stdout.take().ok_or_else(pipe)?);
        Ok(Smith { child, input, output })
    }

    fn ask(&mut self, exports: &[u8], entropy: &[u8]) -> io::Result<Result<Vec<u8>, String>> {
        let mut request = Vec::new();
        for part in [exports, entropy] {
            request.extend((part.len() as u32).to_le_bytes());
            request.extend(part);
        }
        self.input.write_all(&request)?;
        let mut head = [0; 5];
        self.output.read_exact(&mut head)?;
        let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
        if length > MODULE_BYTES_MAX {
            return Err(io::Error::other(format!("an answer of {length} bytes")));
        }
        let mut content = vec![0; length];
        self.output.read_exact(&mut content)?;
        Ok(if head[0] == 0 { Ok(content) } else { Err(String::from_utf8_lossy(&content).into_owned()) })
    }
}

impl Drop for Smith {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

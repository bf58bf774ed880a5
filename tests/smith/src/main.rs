//! Serves [`terrarium_smith::module`] on standard input and output: the soak, which is built without `wasm-smith`, asks for one module at a time.
//!
//! A request is the exports' module and the entropy; an answer is a byte (0: a module, 1: an error's words) and its content. Modules, entropy
//! and words have their length in front, as a little-endian `u32`. Ends when the input does.

use std::io::{self, ErrorKind, Read, Write};

/// Longest part of a request, in bytes.
const PART_BYTES_MAX: usize = 1 << 20;

fn main() -> io::Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    loop {
        let exports = match part(&mut input) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            other => other?,
        };
        let entropy = part(&mut input)?;
        let (tag, content) = match terrarium_smith::module(&exports, &entropy) {
            Ok(module) => (0, module),
            Err(words) => (1, words.into_bytes()),
        };
        output.write_all(&[tag])?;
        output.write_all(&(content.len() as u32).to_le_bytes())?;
        output.write_all(&content)?;
        output.flush()?;
    }
}

fn part(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    input.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > PART_BYTES_MAX {
        return Err(io::Error::new(ErrorKind::InvalidData, "a part of a request is too long"));
    }
    let mut bytes = vec![0; length];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

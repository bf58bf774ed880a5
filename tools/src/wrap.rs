//! Makes a component of a core module that somebody else compiled, say with clang, and of the WIT text of its interface.

use crate::error::{Error, Result};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The component of a core module whose exports are those that the canonical ABI wants of the world `suite` of `wit`. `file` names the
/// WIT text in messages.
///
/// # Errors
/// [`Error::Wrap`] when the WIT text does not parse or has no world `suite`, and when the module lacks an export of that world or has it
/// with another signature than its type asks for.
pub fn wrap(core: &[u8], file: &str, wit: &str) -> Result<Vec<u8>> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str(file, wit).map_err(|e| fault("WIT text", &format!("{file}: {e:#}")))?;
    let world =
        resolve.select_world(&[package], Some("suite")).map_err(|e| fault("WIT text", &format!("{file}: {e:#}")))?;
    let mut module = core.to_vec();
    let broken = |message: String| fault("core module", &message);
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .map_err(|e| broken(format!("{e:#}")))?;
    let encoder = ComponentEncoder::default().validate(true).module(&module);
    encoder.and_then(|mut encoder| encoder.encode()).map_err(|e| broken(format!("{e:#}")))
}

fn fault(part: &'static str, message: &str) -> Error {
    Error::Wrap { part, message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIT: &str = "package a:b; interface tools { twice: func(n: u32) -> u32; } world suite { export tools; }";

    #[test]
    fn what_fits_is_wrapped_and_what_does_not_is_named() {
        let check = |core: &str, wit: &str, says: &str| {
            let core = wat::parse_str(core).expect("wat");
            match wrap(&core, "suite.wit", wit) {
                Ok(component) => {
                    assert_eq!(says, "");
                    wasmparser::Validator::new().validate_all(&component).expect("a valid component");
                }
                Err(error) => assert!(!says.is_empty() && error.to_string().contains(says), "{error}"),
            }
        };
        let twice = "(module (func (export \"a:b/tools#twice\") (param i32) (result i32) local.get 0))";
        check(twice, WIT, "");
        check(twice, "package a:b; interface tools {}", "the WIT text");
        check(twice, "package a:b; interface", "suite.wit");
        check("(module)", WIT, "the core module");
        check("(module)", WIT, "`twice`");
        check(&twice.replace("i32", "i64"), WIT, "the core module");
    }
}

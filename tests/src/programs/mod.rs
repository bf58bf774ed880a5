//! Random programs of the whole suite language, as source text: types, declarations, statements, expressions and table operations.
//!
//! The generator follows the types, so that the checker takes (almost) everything it writes; [`program`] gives the same text for
//! the same stream. Loops are short and nesting is shallow, so that a call of a compiled program ends within a few million instructions;
//! what a program may double in a loop is left to the limits of the sandbox.
//!
//! Not written, because the language refuses it: recursion, `while`, printing of floats, options and lists.

mod body;
mod conditions;
mod declarations;
mod dicts;
mod expressions;
mod lists;
mod scope;
mod statements;
mod types;
mod vocabulary;

use crate::support::Random;
use types::File;

/// Text of a program.
pub fn program(random: &mut Random) -> String {
    let mut file = File::default();
    let mut text = declarations::declare(&mut file, random);
    for number in 0..=random.below(3) {
        text += &body::helper(&mut file, random, number);
    }
    let mut tools = String::new();
    for number in 0..2 + random.below(3) {
        let (function, tool) = body::tool(&mut file, random, number);
        text += &function;
        tools += &tool;
    }
    text + &tools
}

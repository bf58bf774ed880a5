//! DeepSeek-V3.2's sparse-attention transformer on libtorch, with its message format, tokenizer and sampler.
//!
//! The plain definition of everything is here, in libtorch operations, and is checked against what a public
//! implementation computes (`tests/golden`). The crate knows no environment and no task: token ids and OpenAI-form
//! messages go in, token ids, probabilities and messages come out. It neither prints nor reads the process environment.
//!
//! # Map
//! - [`config`]: the shape of a model, from `config.json`; [`checkpoint`]: weights from and to Hugging Face folders.
//! - [`transformer`]: [`Model`], the forward pass; [`attention`] (latent attention, indexer, sparse core), [`moe`],
//!   [`rope`], [`norm`], [`rows`], [`topk`]: its parts; [`cache`]: paged latent and indexer cache.
//! - [`ops`]: fast kernels of the sparse parts and the choice between them and the plain definitions.
//! - [`dsml`]: messages to prompt text and completion text back to a message; [`template`]: prompts of other models;
//!   [`tokenizer`]: text to ids and back.
//! - [`place`]: which device and which kind a model computes in.
//! - [`engine`]: batched generation for many conversations; [`mod@logits`]: what `terrarium model logits` prints;
//!   [`stages`]: where the time goes; [`runtime`]: libtorch's version, threads and the OpenMP trap.
//!
//! # Letters in shapes
//! | letter | size |
//! | --- | --- |
//! | B | batch: rows that are run together |
//! | S | query length |
//! | T | key length |
//! | N | tokens, or rows of a pool |
//! | M | hidden size of the model |
//! | H | attention heads; `Hi` indexer heads |
//! | D | width of a head: `Dn` part without position, `Dr` rotated part, `Dv` value, `Di` indexer |
//! | R | latent rank: `Rq` of queries, `R` of keys and values |
//! | K | selected keys |
//! | V | vocabulary |
//! | E | experts; `G` expert groups, `A` active experts a token, `F` width of one expert |
//!
//! # Determinism
//! One thread, one machine, one libtorch: the same tokens give the same bits, whichever other conversations share the
//! batch and however the prompt was split, for small models (see [`rows`]). Ties in top-k go to the lowest
//! index ([`topk`]).

pub mod attention;
pub mod bench;
pub mod cache;
pub mod checkpoint;
pub mod config;
pub mod dsml;
pub mod engine;
mod error;
mod init;
pub mod logits;
pub mod moe;
pub mod norm;
pub mod ops;
pub mod place;
pub mod rope;
pub mod rows;
pub mod runtime;
pub mod stages;
pub mod template;
pub mod tokenizer;
pub mod topk;
pub mod transformer;

pub use checkpoint::Weights;
pub use config::Config;
pub use error::{Error, Result, TokensError};
pub use logits::logits;
pub use place::{DeviceChoice, Place};
pub use tch::{Device, Kind, Tensor};
pub use transformer::{Model, Output, Trace};

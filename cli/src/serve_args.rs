//! Arguments of `terrarium serve`.

use crate::place::{CacheArgs, PlaceArgs};
use clap::{Args, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Subcommand, Debug)]
pub enum ServeCommand {
    /// The embedded model as an OpenAI-compatible endpoint: /v1/chat/completions, /v1/models.
    Model(ServeModelArgs),
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  terrarium serve model my-checkpoint --listen 127.0.0.1:8000\n  terrarium rollout --policy openai:http://127.0.0.1:8000/v1#my-checkpoint\n\nOnly the loopback address is listened on unless --listen says otherwise: there is no password."
)]
pub struct ServeModelArgs {
    /// Checkpoint folder (default: a tiny model with random weights of --seed).
    pub dir: Option<PathBuf>,
    /// Address and port; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8000")]
    pub listen: SocketAddr,
    /// Name of the model (default: that of the folder).
    #[arg(long)]
    pub name: Option<String>,
    /// Requests that run side by side.
    #[arg(long, default_value_t = 32)]
    pub batch: usize,
    /// Tokens the cache may hold over all conversations.
    #[arg(long, default_value_t = 1 << 17)]
    pub cache_tokens: usize,
    #[command(flatten)]
    pub place: PlaceArgs,
    #[command(flatten)]
    pub cache: CacheArgs,
    /// Refuse to start where the bits of a result could depend on what else is being generated: that needs the kernels of the CPU (AVX-512)
    /// and one thread.
    #[arg(long)]
    pub batch_invariant: bool,
    /// Threads. With one, on the CPU, a result does not depend on what else is being generated, to the bit.
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
}

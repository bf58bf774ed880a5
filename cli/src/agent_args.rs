//! Arguments that say how an agent is run, shared by `rollout` and `eval`.

use clap::Args;

/// How an agent is run.
#[derive(Args, Debug, Clone, Default)]
pub struct AgentArgs {
    #[command(flatten)]
    pub budget: BudgetArgs,
    #[command(flatten)]
    pub conditions: ConditionArgs,
    #[command(flatten)]
    pub endpoint: EndpointArgs,
    /// Only of the embedded model.
    #[cfg(feature = "torch")]
    #[command(flatten)]
    pub place: crate::place::PlaceArgs,
}

/// What surrounds an agent.
#[derive(Args, Debug, Clone, Default)]
pub struct ConditionArgs {
    /// Tokens of the context window (default: what the policy knows of itself).
    #[arg(long, value_name = "TOKENS")]
    pub window: Option<u64>,
    /// What is done when 80 % of the window is used: none | summary | discard-75 | discard-all; or parallel-fewest-step, which makes
    /// --attempts attempts at each sample and keeps the one with the fewest steps.
    #[arg(long, value_name = "STRATEGY")]
    pub context: Option<String>,
    /// Attempts for `--context parallel-fewest-step` (default: 4).
    #[arg(long, value_name = "N")]
    pub attempts: Option<u32>,
    /// Percent of tool calls that meet trouble, and of which kinds (default: all): timeout, rate_limit, paging, partial_batch.
    #[arg(long, value_name = "PERCENT[:KIND,..]")]
    pub faults: Option<String>,
    /// Who the agent talks to: silent | scripted (leaves a detail out until asked, changes its mind) | openai:URL#MODEL (the same in a
    /// model's words; key in TERRARIUM_USER_API_KEY).
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
}

/// How an OpenAI-compatible endpoint is asked.
#[derive(Args, Debug, Clone, Default)]
pub struct EndpointArgs {
    /// Have answers streamed.
    #[arg(long)]
    pub stream: bool,
    /// Requests a minute, of all conversations together (default: no limit).
    #[arg(long, value_name = "N")]
    pub requests_per_minute: Option<f64>,
    /// Sampling temperature (default: the endpoint's).
    #[arg(long, value_name = "T")]
    pub temperature: Option<f64>,
    /// Seconds for one request (default: 300).
    #[arg(long, value_name = "SECONDS")]
    pub request_timeout: Option<f64>,
    /// Requests for one message, the first included (default: 6).
    #[arg(long, value_name = "N")]
    pub request_attempts: Option<u32>,
}

/// Limits of an episode.
#[derive(Args, Debug, Clone, Default)]
pub struct BudgetArgs {
    /// Assistant messages an episode (default: 64).
    #[arg(long, value_name = "N")]
    pub max_turns: Option<u32>,
    /// Tool calls an episode (default: 256).
    #[arg(long, value_name = "N")]
    pub max_calls: Option<u32>,
    /// Sampled tokens a message (default: 96 for `dsa`, 384 for `dsa-constrained`, the endpoint's for `openai`).
    #[arg(long, value_name = "N")]
    pub max_tokens: Option<u32>,
    /// Sampled tokens an episode (default: no limit).
    #[arg(long, value_name = "N")]
    pub max_episode_tokens: Option<u64>,
    /// Seconds an episode; one that takes longer ends without a reward. Not for scripted policies (default: no limit).
    #[arg(long, value_name = "SECONDS")]
    pub max_seconds: Option<f64>,
}

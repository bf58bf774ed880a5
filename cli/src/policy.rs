//! From what was typed to a policy and the conditions it runs under.

use crate::Usage;
use crate::agent_args::{AgentArgs, EndpointArgs};
use anyhow::Result;
use std::sync::Arc;
use std::time::Duration;
use terrarium_envs::budget::Budget;
use terrarium_envs::context::{ContextPlan, Strategy};
use terrarium_envs::faults::{Fault, FaultPlan};
use terrarium_envs::policy::chat::ChatUser;
use terrarium_envs::policy::{ChatOptions, ChatPolicy, Expert, NoisyExpert, Noop, Random, SharedPolicy};
use terrarium_envs::setup::{Setup, UserKind};
use terrarium_envs::user::UserModel;

/// The variable that holds the key of an OpenAI-compatible endpoint.
pub const KEY_VARIABLE: &str = "TERRARIUM_API_KEY";
/// The same for the endpoint that words what simulated users say; without it they use the policy's.
pub const USER_KEY_VARIABLE: &str = "TERRARIUM_USER_API_KEY";
/// The strategy that is no way of cutting a context, but several attempts.
const PARALLEL: &str = "parallel-fewest-step";
/// Attempts of it.
const ATTEMPTS: u32 = 4;

/// A policy that was typed, and how many of its episodes run at a time unless told otherwise.
pub struct Chosen {
    pub policy: SharedPolicy,
    pub concurrency: usize,
}

/// What surrounds the agent.
pub struct Surroundings {
    pub setup: Setup,
    pub user: Option<Arc<dyn UserModel>>,
    pub attempts: u32,
}

/// A policy's name as typed, read but not opened: no model is loaded and no endpoint asked.
#[derive(Debug)]
pub enum Named {
    Expert,
    NoisyExpert,
    Noop,
    Random,
    #[cfg(feature = "torch")]
    Dsa {
        dir: Option<std::path::PathBuf>,
        constrained: bool,
    },
    OpenAi(ChatOptions),
}

impl Named {
    /// Reads `expert`, `noisy-expert`, `noop`, `random`, `dsa[:DIR]`, `dsa-constrained[:DIR]` or `openai:URL#MODEL`.
    pub fn parse(name: &str) -> Result<Self, Usage> {
        Ok(match name.split_once(':').unwrap_or((name, "")) {
            ("expert", "") => Named::Expert,
            ("noisy-expert", "") => Named::NoisyExpert,
            ("noop", "") => Named::Noop,
            ("random", "") => Named::Random,
            #[cfg(feature = "torch")]
            ("dsa" | "dsa-constrained", dir) => Named::Dsa {
                dir: (!dir.is_empty()).then(|| dir.into()),
                constrained: name.starts_with("dsa-constrained"),
            },
            #[cfg(not(feature = "torch"))]
            ("dsa" | "dsa-constrained", _) => {
                let message =
                    "this binary was built without libtorch (--no-default-features): it has no embedded model";
                return Err(Usage(message.to_owned()));
            }
            ("openai", _) => Named::OpenAi(ChatOptions::parse(name).map_err(|error| Usage(error.to_string()))?),
            _ => {
                let known = "expert, noisy-expert, noop, random, dsa[:DIR], dsa-constrained[:DIR], openai:URL#MODEL";
                return Err(Usage(format!("unknown policy `{name}`; one of {known}")));
            }
        })
    }

    /// Whether what surrounds the agent makes sense, as far as it can be seen before anything is opened.
    pub fn check(&self, args: &AgentArgs) -> Result<()> {
        #[cfg(feature = "torch")]
        let window = matches!(self, Named::Dsa { .. }).then_some(u64::MAX);
        #[cfg(not(feature = "torch"))]
        let window = None;
        surroundings(args, window).map(drop)
    }

    /// Makes it ready to run.
    ///
    /// # Errors
    /// A checkpoint that cannot be loaded, an HTTP client that cannot be made, options that make no sense.
    #[cfg_attr(not(feature = "torch"), expect(unused_variables, reason = "only the embedded model has a seed"))]
    pub fn open(self, seed: u64, args: &AgentArgs) -> Result<Chosen> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let scripted = |policy: SharedPolicy| Chosen { policy, concurrency: cores };
        Ok(match self {
            Named::Expert => scripted(Arc::new(Expert)),
            Named::NoisyExpert => scripted(Arc::new(NoisyExpert)),
            Named::Noop => scripted(Arc::new(Noop)),
            Named::Random => scripted(Arc::new(Random)),
            #[cfg(feature = "torch")]
            Named::Dsa { dir, constrained } => {
                let policy = crate::dsa::Dsa::open(dir.as_deref(), constrained, seed, args)?;
                Chosen { policy: Arc::new(policy), concurrency: crate::dsa::CONVERSATIONS }
            }
            Named::OpenAi(options) => {
                let mut options = asked(options, &args.endpoint)?;
                options.api_key = key(KEY_VARIABLE);
                options.temperature = args.endpoint.temperature;
                options.tokens_max = args.budget.max_tokens;
                let policy = ChatPolicy::new(options)?.with_window(args.conditions.window);
                Chosen { policy: Arc::new(policy), concurrency: 16 }
            }
        })
    }
}

fn key(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|key| !key.is_empty())
}

/// An endpoint's options as typed.
fn asked(mut options: ChatOptions, args: &EndpointArgs) -> Result<ChatOptions, Usage> {
    options.stream = args.stream;
    options.requests_per_minute = positive("--requests-per-minute", args.requests_per_minute)?;
    if let Some(timeout) = seconds("--request-timeout", args.request_timeout)? {
        options.timeout = timeout;
    }
    if let Some(attempts) = args.request_attempts {
        options.attempts = attempts.max(1);
    }
    Ok(options)
}

fn positive(option: &str, value: Option<f64>) -> Result<Option<f64>, Usage> {
    match value {
        Some(value) if !(value.is_finite() && value > 0.0) => Err(Usage(format!("{option} must be more than 0"))),
        value => Ok(value),
    }
}

fn seconds(option: &str, value: Option<f64>) -> Result<Option<Duration>, Usage> {
    let value = positive(option, value)?;
    value.map(|s| Duration::try_from_secs_f64(s).map_err(|_| Usage(format!("{option} {s} is too long")))).transpose()
}

/// Reads what surrounds an agent; `window` is what the policy knows of its own context window.
pub fn surroundings(args: &AgentArgs, window: Option<u64>) -> Result<Surroundings> {
    let AgentArgs { budget: limits, conditions, endpoint, .. } = args;
    let plain = Budget::default();
    let budget = Budget {
        turns: limits.max_turns.unwrap_or(plain.turns),
        calls: limits.max_calls.unwrap_or(plain.calls),
        tokens: limits.max_episode_tokens,
        time: seconds("--max-seconds", limits.max_seconds)?,
        ..plain
    };
    let name = conditions.context.as_deref().unwrap_or("none");
    let parallel = name == PARALLEL;
    let strategy = if parallel { Some(Strategy::None) } else { Strategy::from_name(name) };
    let Some(strategy) = strategy else {
        let known = Strategy::ALL.map(Strategy::name).join(", ");
        return Err(Usage(format!("unknown strategy `{name}`; one of {known}, {PARALLEL}")).into());
    };
    if conditions.attempts.is_some() && !parallel {
        return Err(Usage(format!("--attempts goes with --context {PARALLEL}")).into());
    }
    let window = conditions.window.or(window);
    if strategy != Strategy::None && window.is_none() {
        return Err(Usage(format!("--context {name} needs --window: this policy does not know its own")).into());
    }
    let (kind, user): (UserKind, Option<Arc<dyn UserModel>>) = match conditions.user.as_deref().unwrap_or("silent") {
        "silent" => (UserKind::Silent, None),
        "scripted" => (UserKind::Scripted, None),
        model if model.starts_with("openai:") => {
            let options = ChatOptions::parse(model).map_err(|error| Usage(error.to_string()))?;
            let mut options = asked(options, endpoint)?;
            options.api_key = key(USER_KEY_VARIABLE).or_else(|| key(KEY_VARIABLE));
            (UserKind::Model, Some(Arc::new(ChatUser::new(options)?)))
        }
        other => {
            return Err(Usage(format!("unknown user `{other}`; one of silent, scripted, openai:URL#MODEL")).into());
        }
    };
    let context = if strategy == Strategy::None {
        ContextPlan::default()
    } else {
        ContextPlan { window, strategy, ..ContextPlan::default() }
    };
    let faults = conditions.faults.as_deref().map(faults).transpose()?.unwrap_or_default();
    Ok(Surroundings {
        setup: Setup { budget, context, faults, user: kind, ..Setup::default() },
        user,
        attempts: if parallel { conditions.attempts.unwrap_or(ATTEMPTS).max(1) } else { 1 },
    })
}

/// `10`, `12.5:timeout,paging`.
fn faults(text: &str) -> Result<FaultPlan, Usage> {
    let (percent, kinds) = text.split_once(':').unwrap_or((text, ""));
    let bad =
        || Usage(format!("`{text}` is no share of faults; write PERCENT or PERCENT:KIND,.. such as 10:timeout,paging"));
    let percent: f64 = percent.trim().parse().map_err(|_| bad())?;
    if !(0.0..=100.0).contains(&percent) {
        return Err(bad());
    }
    let kind = |name: &str| {
        let known = Fault::ALL.map(Fault::name).join(", ");
        Fault::from_name(name.trim()).ok_or_else(|| Usage(format!("unknown fault `{name}`; one of {known}")))
    };
    let kinds = kinds.split(',').filter(|k| !k.is_empty()).map(kind).collect::<Result<_, _>>()?;
    Ok(FaultPlan { per_mille: (percent * 10.0).round() as u32, kinds, ..FaultPlan::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent_args::ConditionArgs;

    fn read(conditions: ConditionArgs) -> Result<Surroundings> {
        surroundings(&AgentArgs { conditions, ..AgentArgs::default() }, None)
    }

    #[test]
    fn conditions_are_read_or_refused() {
        let plain = read(ConditionArgs::default()).unwrap();
        assert_eq!((plain.setup, plain.attempts, plain.user.is_none()), (Setup::default(), 1, true));
        let set = |f: fn(&mut ConditionArgs)| {
            let mut conditions = ConditionArgs::default();
            f(&mut conditions);
            read(conditions)
        };
        let cut = set(|c| (c.context, c.window) = (Some("discard-75".into()), Some(4096))).unwrap();
        assert_eq!((cut.setup.context.strategy, cut.setup.context.window), (Strategy::Discard75, Some(4096)));
        assert_eq!(set(|c| c.context = Some(PARALLEL.into())).unwrap().attempts, ATTEMPTS);
        let faulty = set(|c| c.faults = Some("2.5:timeout,paging".into())).unwrap().setup.faults;
        assert_eq!((faulty.per_mille, faulty.kinds), (25, vec![Fault::Timeout, Fault::Paging]));
        assert_eq!(set(|c| c.user = Some("scripted".into())).unwrap().setup.user, UserKind::Scripted);
        let model = set(|c| c.user = Some("openai:http://127.0.0.1:1/v1#m".into())).unwrap();
        assert!(model.setup.user == UserKind::Model && model.user.is_some());
        for (bad, said) in [
            (set(|c| c.context = Some("summary".into())), "--window"),
            (set(|c| c.context = Some("forget".into())), "discard-all"),
            (set(|c| c.attempts = Some(3)), "parallel-fewest-step"),
            (set(|c| c.faults = Some("200".into())), "PERCENT"),
            (set(|c| c.faults = Some("5:fire".into())), "partial_batch"),
            (set(|c| c.user = Some("bob".into())), "scripted"),
        ] {
            let error = bad.err().expect("refused").to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}

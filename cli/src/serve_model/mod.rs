//! `terrarium serve model`: the embedded model behind OpenAI's chat completions.
//!
//! - [`request`]: what a client asks for, checked;
//! - [`answer`]: drawn tokens to the parts of an answer: text, reasoning, calls, log-probabilities;
//! - [`reply`]: those parts as one object, or as a stream of chunks.

mod answer;
mod reply;
mod request;

use crate::args::Global;
use crate::serve_args::ServeModelArgs;
use crate::{Ending, Usage, output};
use anyhow::{Context, Result};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use request::{Asked, Refusal};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use terrarium_model::engine::{EngineHandle, Generator, Options};
use terrarium_model::template::ChatTemplate;
use terrarium_model::tokenizer::Tokenizer;
use terrarium_model::{Config, Device, Model, runtime};

/// Bytes of a request: a long conversation with images left out is far below.
const BODY_BYTES_MAX: usize = 64 << 20;

/// What all requests share.
pub struct Served {
    engine: EngineHandle,
    tokenizer: Tokenizer,
    /// How other models than DeepSeek's are spoken to; without it, DSML.
    template: Option<ChatTemplate>,
    name: String,
    /// Device and kind.
    place: String,
    context: usize,
    /// Numbers conversations, answers and calls.
    next: AtomicU64,
    /// When the server started, in seconds since 1970.
    started: u64,
}

impl Served {
    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}

/// Serves until interrupted.
pub async fn run(global: &Global, args: &ServeModelArgs) -> Result<Ending> {
    if runtime::ensure_passive_openmp(std::env::var_os(runtime::WAIT_POLICY).as_deref(), args.threads) {
        let error = runtime::restart_passive();
        output::note(global, &format!("cannot start again with {}=passive: {error}", runtime::WAIT_POLICY));
    }
    let served = Arc::new(open(global, args)?);
    let router = Router::new()
        .route("/v1/chat/completions", post(completions))
        .route("/v1/models", get(models))
        .route("/health", get(|| async { "ok" }))
        .fallback(|| async {
            refused(&Refusal::new("there is no such path: POST /v1/chat/completions"), StatusCode::NOT_FOUND)
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Arc::clone(&served));
    let listener = tokio::net::TcpListener::bind(args.listen).await;
    let listener = listener.with_context(|| format!("cannot listen on {}", args.listen))?;
    let address = listener.local_addr()?;
    output::summary(
        global,
        &json!({"listening": address.to_string(), "model": served.name, "place": served.place}),
        &format!("{} on http://{address}/v1 ({})", served.name, served.place),
    )?;
    let stop = async {
        // Without signals the server runs until it is killed.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    axum::serve(listener, router).with_graceful_shutdown(stop).await?;
    Ok(Ending::Done)
}

fn open(global: &Global, args: &ServeModelArgs) -> Result<Served> {
    runtime::set_threads(args.threads);
    let place = args.place.settle(None, |note| output::note(global, note))?;
    if args.batch_invariant {
        let wanting = [
            (place.device != Device::Cpu, "--device cpu"),
            (args.threads != 1, "--threads 1"),
            (!terrarium_model::ops::available(), "a processor with AVX-512 and VNNI"),
        ];
        if let Some((_, needed)) = wanting.into_iter().find(|(missing, _)| *missing) {
            return Err(Usage(format!("--batch-invariant needs {needed}")).into());
        }
    }
    let (model, tokenizer, template) = match &args.dir {
        Some(dir) => {
            let model =
                Model::load(dir, place).with_context(|| format!("cannot load the model in {}", dir.display()))?;
            let tokenizer = Tokenizer::load(dir, model.config())?;
            (model, tokenizer, ChatTemplate::load(dir)?)
        }
        None => (Model::init(Config::tiny(), global.seed, place)?, Tokenizer::default(), None),
    };
    let folder =
        args.dir.as_deref().and_then(std::path::Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let name = args.name.clone().or(folder).unwrap_or_else(|| "tiny".to_owned());
    let context = usize::try_from(model.config().max_position_embeddings).unwrap_or(usize::MAX);
    let options = Options { batch_max: args.batch.max(1), cache_tokens_max: args.cache_tokens, ..Options::default() };
    let generator = Generator::with_format(model, options, args.cache.format())?;
    let generator = generator.with_vocabulary(Arc::clone(tokenizer.vocabulary()));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Ok(Served {
        engine: EngineHandle::spawn(generator)?,
        tokenizer,
        template,
        name,
        place: crate::place::name(place),
        context,
        next: AtomicU64::new(0),
        started: now.map_or(0, |now| now.as_secs()),
    })
}

async fn models(State(served): State<Arc<Served>>) -> Json<Value> {
    let model = json!({"id": served.name, "object": "model", "created": served.started, "owned_by": "terrarium"});
    Json(json!({"object": "list", "data": [model]}))
}

async fn completions(State(served): State<Arc<Served>>, body: axum::body::Bytes) -> Response {
    let asked = serde_json::from_slice(&body)
        .map_err(|error| Refusal::new(&format!("the body is not JSON: {error}")))
        .and_then(|body: Value| Asked::read(&body, &served));
    match asked {
        Err(refusal) => refused(&refusal, StatusCode::BAD_REQUEST),
        Ok(asked) if asked.stream => reply::stream(served, asked),
        Ok(asked) => match reply::whole(&served, &asked).await {
            Ok(reply) => Json(reply).into_response(),
            Err(error) => {
                let body = json!({"error": {"message": error, "type": "server_error", "param": null, "code": null}});
                (StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response()
            }
        },
    }
}

fn refused(refusal: &Refusal, status: StatusCode) -> Response {
    let error = json!({
        "message": refusal.message, "type": "invalid_request_error", "param": refusal.parameter, "code": refusal.code,
    });
    (status, Json(json!({ "error": error }))).into_response()
}

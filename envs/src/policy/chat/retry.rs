//! When to ask an endpoint again, and how long to wait first.

use super::options::ChatOptions;
use crate::policy::PolicyTurn;
use crate::usage::Trouble;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use std::time::Duration;

/// Longest `Retry-After` that is waited for.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(120);

/// How one request ended.
pub(super) enum Attempt {
    /// With a message.
    Done(Box<PolicyTurn>),
    /// With trouble that may pass.
    Again {
        /// Of which kind.
        trouble: Trouble,
        /// What it was.
        why: String,
        /// How long the endpoint asks to wait.
        after: Option<Duration>,
    },
    /// With a refusal because the context is too long.
    OutOfContext {
        /// The size of the window; 0 if it does not name one.
        window: usize,
    },
    /// With a refusal that will not pass.
    Over {
        /// What it was.
        message: String,
        /// Whether it is the request that the endpoint does not like (400, 422).
        unfit: bool,
    },
}

/// The wait before retry number `attempt` (from 1): half of it fixed, half of it jitter.
pub(super) fn backoff(options: &ChatOptions, attempt: u32, after: Option<Duration>, rng: &mut ChaCha8Rng) -> Duration {
    let doubled = options.backoff.saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX));
    let wait = doubled.min(options.backoff_max);
    let jittered = wait.mul_f64(rng.random_range(0.5..=1.0));
    after.map_or(jittered, |asked| asked.min(RETRY_AFTER_MAX).max(jittered))
}

/// How long the endpoint asks to wait: `retry-after-ms`, or `Retry-After` in seconds or as a date. A date is compared with the
/// answer's own `Date`, so that this machine's clock does not matter.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| Some(headers.get(name)?.to_str().ok()?.trim());
    let number = |text: &str| text.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
    if let Some(milliseconds) = text("retry-after-ms").and_then(number) {
        return Some(Duration::from_secs_f64((milliseconds / 1000.0).min(86_400.0)));
    }
    let after = text(RETRY_AFTER.as_str())?;
    if let Some(seconds) = number(after) {
        return Some(Duration::from_secs_f64(seconds.min(86_400.0)));
    }
    let until = httpdate::parse_http_date(after).ok()?;
    let now = httpdate::parse_http_date(text(DATE.as_str())?).ok()?;
    until.duration_since(now).ok()
}

/// What a status other than 200 means.
pub(super) fn refusal(status: u16, body: &str, after: Option<Duration>) -> Attempt {
    if matches!(status, 400 | 413 | 422)
        && let Some(window) = context_window(body)
    {
        return Attempt::OutOfContext { window };
    }
    let shown: String = body.trim().chars().take(300).collect();
    let why = format!("the endpoint answered {status}: {shown}");
    let trouble = match status {
        408 => Trouble::TimedOut,
        429 => Trouble::RateLimited,
        409 | 425 | 500..=599 => Trouble::Server,
        _ => return Attempt::Over { message: why, unfit: matches!(status, 400 | 422) },
    };
    Attempt::Again { trouble, why, after }
}

/// The size of the window, if a refusal says that the context is too long; 0 if it does not name one.
fn context_window(body: &str) -> Option<usize> {
    let lower = body.to_lowercase();
    let told = ["maximum context length", "context_length_exceeded", "context length", "context window"];
    let at = told.iter().find_map(|t| lower.find(t).map(|i| i + t.len()))?;
    let digits = |c: &char| c.is_ascii_digit();
    let number: String = lower[at..].chars().skip_while(|c| !digits(c)).take_while(digits).collect();
    Some(number.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::stream;

    #[test]
    fn waits_grow_are_capped_and_repeat_with_the_seed() {
        let options = ChatOptions::new("http://x", "m");
        let waits = |seed| {
            let mut rng = stream(seed, "w");
            (1..=40).map(|n| backoff(&options, n, None, &mut rng)).collect::<Vec<_>>()
        };
        assert_eq!(waits(1), waits(1));
        assert_ne!(waits(1), waits(2));
        for (n, wait) in waits(3).into_iter().enumerate() {
            let full = Duration::from_millis(500).saturating_mul(1 << n.min(20)).min(Duration::from_secs(30));
            assert!(wait >= full / 2 && wait <= full, "{n}: {wait:?}");
        }
        let asked = backoff(&options, 1, Some(Duration::from_secs(7)), &mut stream(1, "w"));
        assert_eq!(asked, Duration::from_secs(7));
        let too_long = backoff(&options, 1, Some(Duration::from_secs(9999)), &mut stream(1, "w"));
        assert_eq!(too_long, RETRY_AFTER_MAX);
    }

    #[test]
    fn statuses_are_sorted_into_again_over_and_out_of_context() {
        for (status, kind) in [
            (408, Trouble::TimedOut),
            (429, Trouble::RateLimited),
            (500, Trouble::Server),
            (503, Trouble::Server),
            (529, Trouble::Server),
        ] {
            assert!(
                matches!(refusal(status, "busy", None), Attempt::Again { trouble, .. } if trouble == kind),
                "{status}"
            );
        }
        for status in [400, 401, 403, 404, 301] {
            assert!(matches!(refusal(status, "no", None), Attempt::Over { .. }), "{status}");
        }
        let body = r#"{"error": {"message": "This model's maximum context length is 8192 tokens. However, you requested 9000"}}"#;
        assert!(matches!(refusal(400, body, None), Attempt::OutOfContext { window: 8192 }));
        let body = r#"{"error": {"code": "context_length_exceeded"}}"#;
        assert!(matches!(refusal(400, body, None), Attempt::OutOfContext { window: 0 }));
    }

    #[test]
    fn retry_after_in_seconds_milliseconds_and_as_a_date() {
        let read = |fields: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, text) in fields {
                headers.insert(*name, text.parse().expect("a header"));
            }
            retry_after(&headers)
        };
        assert_eq!(read(&[("retry-after", "2")]), Some(Duration::from_secs(2)));
        assert_eq!(read(&[("retry-after", "0.5")]), Some(Duration::from_millis(500)));
        assert_eq!(read(&[("retry-after", "9"), ("retry-after-ms", "250")]), Some(Duration::from_millis(250)));
        let (then, now) = ("Wed, 21 Oct 2026 07:28:30 GMT", "Wed, 21 Oct 2026 07:28:00 GMT");
        assert_eq!(read(&[("retry-after", then), ("date", now)]), Some(Duration::from_secs(30)));
        for bad in ["-1", "NaN", "soon", then] {
            assert_eq!(read(&[("retry-after", bad)]), None, "{bad}");
        }
        assert_eq!(read(&[("retry-after", now), ("date", then)]), None);
    }
}

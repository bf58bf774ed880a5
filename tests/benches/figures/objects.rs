//! The same world as Python objects, in the same run: `objects.py` gets the tables and the calls, and must give the same results.

use crate::worlds::Call;
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Stdio};

/// Its times in microseconds.
pub struct Objects {
    pub reset: f64,
    pub get: f64,
    pub search: f64,
    pub episode: f64,
}

/// Runs the script; says why and gives nothing where there is no python3.
pub fn measure(state: &Value, calls: &[Call], results: &[String]) -> Option<Objects> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/figures/objects.py");
    let spawned = Command::new("python3").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => {
            eprintln!("the world as Python objects is left out: python3 did not start ({error})");
            return None;
        }
    };
    let job = json!({
        "tables": state["tables"],
        "parameters": {"page_size": 20, "critical_level": 2, "max_open": 6},
        "calls": calls,
    });
    child.stdin.take().expect("a pipe").write_all(job.to_string().as_bytes()).expect("python3 reads its job");
    let output = child.wait_with_output().expect("python3 ends");
    assert!(output.status.success(), "objects.py failed");
    let said: Value = serde_json::from_slice(&output.stdout).expect("objects.py writes JSON");
    assert_eq!(said["results"], json!(results), "Python and the sandbox answer alike");
    let time = |name: &str| said[name].as_f64().expect("a time");
    Some(Objects {
        reset: time("reset_us"),
        get: time("get_us"),
        search: time("search_us"),
        episode: time("episode_us"),
    })
}

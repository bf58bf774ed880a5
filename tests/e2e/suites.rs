//! `suite check | build | schema | list`.

use crate::support::Desk;
use serde_json::Value;

#[test]
fn library_suites_build_and_describe_themselves() {
    let desk = Desk::new();
    let list = desk.run(&["suite", "list", "--json"]).json();
    let suites = list["suites"].as_array().expect("suites");
    assert!(suites.len() >= 6, "{list}");
    for suite in suites {
        assert!(suite["tools"].as_u64().is_some_and(|n| n >= 8), "{suite}");
        assert!(suite["tables"].as_u64().is_some_and(|n| n >= 4), "{suite}");
    }
    let name = suites[0]["name"].as_str().expect("name");
    let schema = desk.run(&["suite", "schema", name]);
    let schema: Vec<Value> = serde_json::from_str(&schema.out).expect("a JSON list");
    assert!(schema.iter().all(|tool| tool["function"]["parameters"]["type"] == "object"), "{schema:?}");
    let built = desk.run(&["suite", "build", name, "-o", "x.wasm", "--json"]).json();
    let bytes = std::fs::read(desk.path("x.wasm")).expect("component");
    assert_eq!(built["bytes"].as_u64(), Some(bytes.len() as u64));
    assert_eq!(&bytes[..4], b"\0asm");
    let explained = desk.run(&["suite", "build", name, "-o", "y.wasm", "--explain", "--json"]).json();
    for tool in explained["tools"].as_array().expect("tools") {
        assert!(tool["code_bytes"].as_u64().is_some_and(|n| n > 0 && n < bytes.len() as u64), "{tool}");
        let (median, most) = (tool["fuel_median"].as_u64(), tool["fuel_most"].as_u64());
        assert!(median.is_some_and(|n| n > 0) && median <= most, "{tool}");
    }
    assert_eq!(bytes, std::fs::read(desk.path("y.wasm")).expect("component"), "the same bytes twice");
}

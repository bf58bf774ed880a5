//! What `explain` says of the tools of a suite.

#[allow(dead_code, reason = "a test of explanations needs the worlds, not the arguments")]
mod support;

use terrarium_tools::compile::compile;
use terrarium_tools::explain::explain;
use terrarium_tools::{Surface, parse_suite};

#[test]
fn tools_are_explained() {
    let suite = parse_suite("library.star", include_str!("suites/library.star")).expect("the suite checks");
    let surface = Surface::plain(&suite);
    let world = support::world(&suite, 3, &mut support::Random::new(1));
    let compiled = compile(&suite, &surface, &world).expect("it compiles");
    let tools = explain(&suite, &surface, &compiled);
    assert_eq!(tools.len(), suite.tools.len());
    let check_out = tools.iter().find(|t| t.name == "check_out").expect("the tool");
    assert_eq!(check_out.wit, "func(member-id: string, book-id: string) -> result<loan, tool-error>");
    assert_eq!(check_out.writes, ["book", "loan"]);
    assert!(check_out.reads.contains(&"member".to_owned()) && check_out.reads.contains(&"book".to_owned()));
    assert_eq!(check_out.parameters["required"], serde_json::json!(["member_id", "book_id"]));
    for (tool, definition) in tools.iter().zip(&suite.tools) {
        assert_eq!(tool.writes.is_empty(), !definition.writes, "{}", tool.name);
        assert_eq!(tool.functions[0], tool.name);
        let own = compiled.function_bytes.iter().find(|(name, _)| *name == tool.name).expect("its function").1;
        assert!(own > 0 && own <= tool.code_bytes && tool.code_bytes < compiled.core_bytes, "{}", tool.name);
    }
}

//! The library desk of the contract: a whole suite that parses and checks.

use terrarium_tools::suite::{Effect, Relation, Source};
use terrarium_tools::{Suite, Type, parse_suite};

const SOURCE: &str = include_str!("suites/library.star");

fn suite() -> Suite {
    match parse_suite("library.star", SOURCE) {
        Ok(suite) => suite,
        Err(faults) => panic!("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    }
}

#[test]
fn the_suite_checks() {
    let suite = suite();
    assert_eq!(suite.name, "library-desk");
    assert_eq!(suite.tables.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["member", "book", "loan"]);
    assert_eq!(suite.tools.len(), 6);
    let loan = &suite.tables[2];
    assert_eq!(loan.columns[0].ty, Type::Key(2));
    assert_eq!(loan.columns[1].ty, Type::Key(1));
    assert_eq!(loan.called, "the loan of {book} to {member}");
    assert!(matches!(loan.columns[5].source, Source::Derived { .. }));
    assert_eq!(loan.columns[5].ty, Type::Bool);
    assert_eq!(suite.enums.iter().map(|e| e.name.as_str()).collect::<Vec<_>>(), ["tier", "loan_status"]);
}

#[test]
fn tools_have_their_meaning() {
    let suite = suite();
    let check_out = &suite.tools[0];
    assert!(check_out.writes);
    assert_eq!(check_out.needs.len(), 2);
    assert_eq!(check_out.effects.len(), 2);
    assert!(matches!(&check_out.effects[0], Effect::Insert { table: 2, values } if values.len() == 5));
    let find = suite.tools.iter().find(|t| t.name == "find_loans").unwrap().finds.as_ref().unwrap();
    assert_eq!(find.page, Some(2));
    assert_eq!(find.matches, [(0, 2, Relation::Equal), (1, 4, Relation::Equal)]);
    assert_eq!(find.shows, [(0, "id".to_owned()), (3, "due".to_owned()), (4, "status".to_owned())]);
    assert!(!find.single);
    let all = suite.tools.iter().find(|t| t.name == "return_all").unwrap();
    assert!(matches!(&all.effects[0], Effect::UpdateAll { table: 2, values, .. } if values.len() == 2));
}

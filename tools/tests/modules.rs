//! Suites that load modules: names, supplied tables, tools on offer, and where faults are reported.

use terrarium_tools::{Suite, Type, parse_suite_with};

const PAYMENTS: &str = include_str!("suites/payments.star");
const SHOP: &str = include_str!("suites/shop.star");

fn modules(path: &str) -> Option<String> {
    match path {
        "processes/payments.star" => Some(PAYMENTS.to_owned()),
        "rates.star" => Some("RATES = [1, 2]\ndef doubled(n: int) -> int:\n    return n * 2\n".to_owned()),
        "circle.star" => Some("load(\"circle.star\", \"x\")\nx = 1\n".to_owned()),
        "upwards.star" => Some("load(\"shop.star\", \"x\")\nx = 1\n".to_owned()),
        "broken.star" => Some("def f(n: int) -> int:\n    return m\n".to_owned()),
        _ => None,
    }
}

fn shop(source: &str) -> Result<Suite, String> {
    parse_suite_with("shop.star", source, &modules)
        .map_err(|faults| faults.iter().map(|f| format!("{f}\n")).collect::<String>())
}

#[test]
fn a_module_joins_the_suite() {
    let suite = shop(SHOP).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(suite.files, ["shop.star", "processes/payments.star"]);
    assert_eq!(suite.tables.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["buyer", "payment"]);
    // `payer` of the module is the suite's `buyer`.
    assert_eq!(suite.tables[1].columns[1].ty, Type::Key(0));
    assert_eq!(suite.tables[1].span.file, 1);
    assert_eq!(suite.parameters.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["page_size", "most_at_once"]);
    // `refund` is not loaded, so its tool is not on offer.
    assert_eq!(suite.tools.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["find_buyers", "pay"]);
    assert_eq!(suite.tools[1].span.file, 1);
}

#[test]
fn loaded_names_can_be_renamed() {
    let source = SHOP.replace("\"Receipt\"", "\"Receipt\", Slip = \"Receipt\"").replace("-> Receipt", "-> Slip");
    assert!(shop(&source).is_ok());
}

#[test]
fn faults_are_where_they_are() {
    let check = |from: &str, to: &str, expected: &str| {
        assert!(SHOP.contains(from), "{from}");
        let faults = shop(&SHOP.replacen(from, to, 1)).expect_err(to);
        assert!(faults.contains(expected), "{faults}");
    };
    check("processes/payments.star", "payment.star", "shop.star:3:6: there is no module `payment.star`");
    check(
        "\"pay\",",
        "\"pays\",",
        "shop.star:3:44: `processes/payments.star` has no `pays`\n  hint: did you mean `pay`?",
    );
    check("payer = buyer", "payee = buyer", "`processes/payments.star` needs no table `payee`");
    check("supply(", "# supply(", "`processes/payments.star` needs a table `payer` of the suite");
    check(
        "name = person_name(unique = True)",
        "called_name = person_name()",
        "processes/payments.star:3:21: the table `buyer` has no column `name`",
    );
    check(
        "name = person_name(unique = True)",
        "name = maybe(5, person_name())",
        "`buyer.name` is option[str], and the module needs str",
    );
    check("\"Receipt\"", "\"Receipt\", \"settle\"", "`processes/payments.star` has no `settle`");
    let with = |load: &str| shop(&SHOP.replacen("load(", &format!("{load}\nload("), 1)).expect_err(load);
    assert!(with("load(\"circle.star\", \"x\")").contains("circle.star:1:21: this module loads itself"));
    assert!(with("load(\"upwards.star\", \"x\")").contains("upwards.star:1:6: a module cannot load the suite"));
    assert!(with("load(\"broken.star\", \"f\")").contains("broken.star:2:12: `m` is not known"));
    assert!(
        with("load(\"rates.star\", pay_rates = \"RATES\")\nRATES = 1\nRATES = 2").contains("`RATES` is declared twice")
    );
}

#[test]
fn constants_and_functions_are_shared() {
    let source = SHOP
        .replacen("load(", "load(\"rates.star\", \"RATES\", \"doubled\")\nload(", 1)
        .replacen(
            "page_size = parameter(5, choices = [3, 5])",
            "page_size = parameter(5, choices = [3, 5])\nMORE = RATES + [3]",
            1,
        )
        .replacen("[:page_size]", "[:doubled(page_size) + len(MORE)]", 1);
    assert!(shop(&source).is_ok(), "{:?}", shop(&source));
}

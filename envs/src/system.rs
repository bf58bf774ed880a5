//! The system message of an environment: who the agent is, the policy, the world's date and the JSON forms of values.

use terrarium_tools::calendar::date_text;

/// The system message.
///
/// `title` is the suite's, `policy` its policy text with this world's parameters filled in, `today` the world's date in days since
/// 1970-01-01. The text is the same for every task of an environment.
pub fn message(title: &str, policy: &str, today: i32) -> String {
    let lines: Vec<&str> = policy.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let policy = if lines.is_empty() { String::new() } else { format!("Policy: {}\n\n", lines.join("\n")) };
    format!(
        "You work for: {title}. Do what the user asks with the tools, and nothing else. Look things up instead of guessing.\n\n\
         {policy}\
         Today is {date}. Money is a string such as \"12.50\", a date a string such as \"{date}\"; identifiers are strings as the \
         tools give them. A tool that refuses answers with an error and changes nothing. Finish with `submit`; for a question its \
         `answer` is the value alone in these forms, or a list of texts if several are asked for.",
        date = date_text(today),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_policy_date_and_forms() {
        let text = message("City library lending desk", "You lend books.\n    1. Loans last 21 days.\n", 20_513);
        insta::assert_snapshot!(text, @r#"
        You work for: City library lending desk. Do what the user asks with the tools, and nothing else. Look things up instead of guessing.

        Policy: You lend books.
        1. Loans last 21 days.

        Today is 2026-03-01. Money is a string such as "12.50", a date a string such as "2026-03-01"; identifiers are strings as the tools give them. A tool that refuses answers with an error and changes nothing. Finish with `submit`; for a question its `answer` is the value alone in these forms, or a list of texts if several are asked for.
        "#);
        assert!(!message("X", " ", 0).contains("Policy"));
    }
}

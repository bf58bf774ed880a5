//! Doc strings of functions: a first paragraph and an `Args:` section.

/// What a doc string says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Doc {
    /// First paragraph, on one line.
    pub summary: String,
    /// Parameter name, text, and the line within the doc string (0-based).
    pub parameters: Vec<(String, String, usize)>,
}

/// Read a doc string. Sections other than `Args:` are left to human readers.
pub fn parse(text: &str) -> Doc {
    let mut doc = Doc::default();
    let mut section = "";
    let mut indent = 0;
    for (number, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        let depth = line.len() - line.trim_start().len();
        if matches!(trimmed, "Args:" | "Arguments:" | "Parameters:") {
            (section, indent) = ("args", 0);
            continue;
        }
        if matches!(trimmed, "Returns:" | "Raises:" | "Errors:" | "Notes:" | "Note:" | "Example:" | "Examples:") {
            section = "other";
            continue;
        }
        match section {
            "" if trimmed.is_empty() && !doc.summary.is_empty() => section = "body",
            "" => join(&mut doc.summary, trimmed),
            "args" if !trimmed.is_empty() => {
                if indent == 0 {
                    indent = depth;
                }
                let entry = trimmed.split_once(':').filter(|(name, _)| depth <= indent && is_name(name));
                if let Some((name, rest)) = entry {
                    doc.parameters.push((bare(name).to_owned(), rest.trim().to_owned(), number));
                } else if let Some((_, text, _)) = doc.parameters.last_mut() {
                    join(text, trimmed);
                }
            }
            _ => {}
        }
    }
    doc
}

/// Remove the common indentation of all lines but the first, and blank lines around.
pub fn dedent(text: &str) -> String {
    let margin = text
        .lines()
        .skip(1)
        .filter(|l| !l.trim().is_empty())
        .map(|l| l.len() - l.trim_start_matches(' ').len())
        .min()
        .unwrap_or(0);
    let lines = text.lines().enumerate().map(|(i, l)| match i {
        0 => l.trim(),
        _ => l.get(margin..).unwrap_or("").trim_end(),
    });
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

fn join(text: &mut String, more: &str) {
    if !text.is_empty() && !more.is_empty() {
        text.push(' ');
    }
    text.push_str(more);
}

/// `name` or `name (type)`.
fn bare(name: &str) -> &str {
    name.split('(').next().unwrap_or(name).trim()
}

fn is_name(name: &str) -> bool {
    let name = bare(name);
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections() {
        let doc = parse(
            "Lend a book\n    to a member.\n\n    More.\n\n    Args:\n        a: First.\n            And more.\n        b (str): Second.\n\n    Returns:\n        x: no.\n",
        );
        assert_eq!(doc.summary, "Lend a book to a member.");
        let parameters: Vec<(&str, &str)> = doc.parameters.iter().map(|(n, t, _)| (n.as_str(), t.as_str())).collect();
        assert_eq!(parameters, [("a", "First. And more."), ("b", "Second.")]);
        assert_eq!(dedent("One.\n    Two\n      three\n"), "One.\nTwo\n  three");
    }
}

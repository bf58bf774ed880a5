//! The name somebody may have meant.

/// The candidate with the least edit distance, if it is close enough to be worth naming: at most a third of the longer name's
/// letters differ. The first of equals wins. Names longer than 64 bytes are not compared.
pub fn nearest<'a>(name: &str, candidates: &[&'a str]) -> Option<&'a str> {
    const BYTES_MAX: usize = 64;
    if name.len() > BYTES_MAX {
        return None;
    }
    let name = name.to_ascii_lowercase().replace(['-', ' ', '.'], "_");
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates.iter().filter(|c| c.len() <= BYTES_MAX) {
        let distance = strsim::osa_distance(&name, candidate);
        let close = distance * 3 <= name.len().max(candidate.len());
        if close && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_or_none() {
        let names = ["check_out", "check_in", "find_loans", "submit"];
        assert_eq!(nearest("checkout", &names), Some("check_out"));
        assert_eq!(nearest("Check-Out", &names), Some("check_out"));
        assert_eq!(nearest("find_loan", &names), Some("find_loans"));
        assert_eq!(nearest("delete_everything", &names), None);
        assert_eq!(nearest("", &names), None);
        assert_eq!(nearest(&"x".repeat(1000), &names), None);
    }
}

//! The suites that come with Terrarium, embedded in the binary and parsed once.

use crate::error::{Error, Result};
use std::sync::OnceLock;
use terrarium_envs::environment::Split;
use terrarium_tools::{Suite, parse_suite};

/// A suite of the library as text.
#[derive(Clone, Copy, Debug)]
pub struct LibrarySuite {
    /// Its slug.
    pub slug: &'static str,
    /// Its source.
    pub source: &'static str,
    /// The split of its environments: `Train` also gives validation worlds.
    pub split: Split,
}

const LIBRARY: [LibrarySuite; 19] = [
    LibrarySuite { slug: "library-desk", source: include_str!("../suites/library_desk.star"), split: Split::Train },
    LibrarySuite {
        slug: "clinic-front-desk",
        source: include_str!("../suites/clinic_front_desk.star"),
        split: Split::Train,
    },
    LibrarySuite { slug: "web-shop", source: include_str!("../suites/web_shop.star"), split: Split::Train },
    LibrarySuite {
        slug: "it-service-desk",
        source: include_str!("../suites/it_service_desk.star"),
        split: Split::Train,
    },
    LibrarySuite {
        slug: "hotel-front-desk",
        source: include_str!("../suites/hotel_front_desk.star"),
        split: Split::Train,
    },
    LibrarySuite {
        slug: "farm-cooperative",
        source: include_str!("../suites/farm_cooperative.star"),
        split: Split::Train,
    },
    LibrarySuite {
        slug: "veterinary-practice",
        source: include_str!("../suites/veterinary_practice.star"),
        split: Split::Train,
    },
    LibrarySuite {
        slug: "college-registrar",
        source: include_str!("../suites/college_registrar.star"),
        split: Split::TestSuite,
    },
    LibrarySuite {
        slug: "parcel-warehouse",
        source: include_str!("../suites/parcel_warehouse.star"),
        split: Split::TestProcess,
    },
    LibrarySuite { slug: "car-rental", source: include_str!("../suites/car_rental.star"), split: Split::Train },
    LibrarySuite { slug: "blood-bank", source: include_str!("../suites/blood_bank.star"), split: Split::Train },
    LibrarySuite {
        slug: "bakery-production",
        source: include_str!("../suites/bakery_production.star"),
        split: Split::TestProcess,
    },
    LibrarySuite { slug: "court-docket", source: include_str!("../suites/court_docket.star"), split: Split::TestSuite },
    LibrarySuite {
        slug: "theatre-box-office",
        source: include_str!("../suites/theatre_box_office.star"),
        split: Split::Train,
    },
    LibrarySuite { slug: "sports-league", source: include_str!("../suites/sports_league.star"), split: Split::Train },
    LibrarySuite { slug: "marina-berths", source: include_str!("../suites/marina_berths.star"), split: Split::Train },
    LibrarySuite {
        slug: "translation-agency",
        source: include_str!("../suites/translation_agency.star"),
        split: Split::Train,
    },
    LibrarySuite {
        slug: "property-management",
        source: include_str!("../suites/property_management.star"),
        split: Split::Train,
    },
    LibrarySuite {
        slug: "electricity-grid",
        source: include_str!("../suites/electricity_grid.star"),
        split: Split::TestSuite,
    },
];

/// A suite ready for use.
#[derive(Clone, Debug)]
pub struct ParsedSuite {
    /// The suite.
    pub suite: Suite,
    /// First 16 hex digits of the blake3 hash of its source.
    pub digest: String,
    /// The split of its environments.
    pub split: Split,
}

/// The library, in a fixed order.
pub fn suites() -> &'static [LibrarySuite] {
    &LIBRARY
}

/// The library parsed; the first call does the work.
///
/// # Errors
/// [`Error::Suite`] when one does not check, which tests rule out.
pub fn parsed() -> Result<&'static [ParsedSuite]> {
    static PARSED: OnceLock<Vec<ParsedSuite>> = OnceLock::new();
    if let Some(parsed) = PARSED.get() {
        return Ok(parsed);
    }
    let parsed = LIBRARY.iter().map(|s| parse(s.slug, s.source, s.split)).collect::<Result<Vec<_>>>()?;
    Ok(PARSED.get_or_init(|| parsed))
}

/// Parses a suite; `name` is only used in messages.
///
/// # Errors
/// [`Error::Suite`] with every diagnostic.
pub fn parse(name: &str, source: &str, split: Split) -> Result<ParsedSuite> {
    let suite = parse_suite(&format!("{name}.star"), source).map_err(|diagnostics| Error::Suite {
        suite: name.to_owned(),
        source: terrarium_tools::Error::Suite(diagnostics),
    })?;
    Ok(ParsedSuite { suite, digest: digest(source), split })
}

/// First 16 hex digits of the blake3 hash of a suite's source.
pub fn digest(source: &str) -> String {
    blake3::hash(source.as_bytes()).to_hex().as_str()[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_parses_and_its_slugs_are_right() {
        for (text, parsed) in suites().iter().zip(parsed().expect("the library checks")) {
            assert_eq!(text.slug, parsed.suite.name);
            assert!(parsed.suite.tools.len() >= 8, "{} has {} tools", text.slug, parsed.suite.tools.len());
            assert!(parsed.suite.tables.len() >= 4, "{} has {} tables", text.slug, parsed.suite.tables.len());
        }
    }
}

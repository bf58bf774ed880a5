//! The formats: their names, what one row is, and their columns. How a row is written is in the file of each format.

use super::columns::{Column, Kind};
use super::{adp, atif, nemo, openai, preference, skyrl, trl, verifiers, verl};

/// What a trainer or tool reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// OpenAI chat messages and tools.
    OpenAi,
    /// TRL's conversational SFT rows: messages and tools.
    Trl,
    /// TRL's preference pairs: a solved and a failed episode of one task.
    TrlDpo,
    /// TRL's unpaired preferences: a completion and whether it is good.
    TrlKto,
    /// TRL's prompts for GRPO and RLOO, one a task.
    TrlGrpo,
    /// verl's RL rows, one a task.
    Verl,
    /// verl's multi-turn SFT rows.
    VerlSft,
    /// SkyRL's prompts, one a task.
    SkyRl,
    /// SkyRL's tokenised SFT rows: the exact tokens of the embedded model with a loss mask.
    SkyRlSft,
    /// Traces of verifiers, version 1.
    Verifiers,
    /// The Agent Trajectory Interchange Format, version 1.7.
    Atif,
    /// The Agent Data Protocol, version 1.2.
    Adp,
    /// NeMo Gym's input rows, one a task.
    Nemo,
}

/// What one row of a format is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// An episode.
    Episode,
    /// An episode that has token traces.
    TracedEpisode,
    /// A solved and a failed episode of one task.
    Pair,
    /// A task, whether it was tried or not.
    Task,
}

impl Format {
    /// All formats in a fixed order.
    pub const ALL: [Format; 13] = [
        Format::OpenAi,
        Format::Trl,
        Format::TrlDpo,
        Format::TrlKto,
        Format::TrlGrpo,
        Format::Verl,
        Format::VerlSft,
        Format::SkyRl,
        Format::SkyRlSft,
        Format::Verifiers,
        Format::Atif,
        Format::Adp,
        Format::Nemo,
    ];

    /// Stable name.
    pub fn name(self) -> &'static str {
        match self {
            Format::OpenAi => "openai",
            Format::Trl => "trl",
            Format::TrlDpo => "trl-dpo",
            Format::TrlKto => "trl-kto",
            Format::TrlGrpo => "trl-grpo",
            Format::Verl => "verl",
            Format::VerlSft => "verl-sft",
            Format::SkyRl => "skyrl",
            Format::SkyRlSft => "skyrl-sft",
            Format::Verifiers => "verifiers",
            Format::Atif => "atif",
            Format::Adp => "adp",
            Format::Nemo => "nemo",
        }
    }

    /// What one row is.
    pub fn unit(self) -> Unit {
        match self {
            Format::TrlGrpo | Format::Verl | Format::SkyRl | Format::Nemo => Unit::Task,
            Format::TrlDpo => Unit::Pair,
            Format::SkyRlSft => Unit::TracedEpisode,
            _ => Unit::Episode,
        }
    }

    /// Whether rows are imitated as they are, so that only solved episodes are wanted unless somebody says otherwise.
    pub fn imitates(self) -> bool {
        matches!(self, Format::Trl | Format::VerlSft | Format::SkyRlSft)
    }

    /// Its columns in order; none where a row is a JSON document of free shape.
    pub(crate) fn columns(self, thinking: bool) -> Option<Vec<Column>> {
        let mut columns = match self {
            Format::OpenAi | Format::Trl | Format::VerlSft => openai::columns(thinking),
            Format::TrlDpo => preference::pair_columns(thinking),
            Format::TrlKto => preference::columns(thinking),
            Format::TrlGrpo => trl::prompt_columns(),
            Format::Verl => verl::columns(),
            Format::SkyRl => skyrl::columns(),
            Format::SkyRlSft => skyrl::sft_columns(),
            Format::Verifiers | Format::Atif | Format::Adp | Format::Nemo => return None,
        };
        if matches!(self.unit(), Unit::Episode | Unit::TracedEpisode) {
            columns.extend(identity());
        }
        Some(columns)
    }

    /// What a row is and how its columns are meant, for the dataset card.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Format::OpenAi => openai::ABOUT,
            Format::Trl => trl::ABOUT,
            Format::TrlDpo => preference::PAIR_ABOUT,
            Format::TrlKto => preference::ABOUT,
            Format::TrlGrpo => trl::PROMPT_ABOUT,
            Format::Verl => verl::ABOUT,
            Format::VerlSft => verl::SFT_ABOUT,
            Format::SkyRl => skyrl::ABOUT,
            Format::SkyRlSft => skyrl::SFT_ABOUT,
            Format::Verifiers => verifiers::ABOUT,
            Format::Atif => atif::ABOUT,
            Format::Adp => adp::ABOUT,
            Format::Nemo => nemo::ABOUT,
        }
    }
}

/// The columns that say which episode a row is: [`super::row::Identity`].
fn identity() -> Vec<Column> {
    let mut columns = vec![Column::new("reward", Kind::Real), Column::new("outcome", Kind::Text)];
    columns.extend(["task_id", "environment_id", "split", "kind", "policy"].map(|name| Column::new(name, Kind::Text)));
    columns.push(Column::new("sample", Kind::Integer));
    columns.extend(Column::texts(["cluster", "environment_cluster"]));
    columns
}

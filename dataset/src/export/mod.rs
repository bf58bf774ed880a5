//! Exports: episodes and tasks as files that today's trainers load. A file for each format.
//!
//! Rows are ordered by task, policy, sample; nothing in a row depends on the clock, on row ids or on how the episodes were computed.
//! Memory stays the same however many rows there are, but for the numbers of the rows, which SQLite keeps in a temporary table.

mod adp;
mod atif;
mod atomic;
mod card;
mod chat;
mod columns;
mod files;
mod format;
mod nemo;
mod openai;
mod options;
mod parquet;
mod preference;
mod row;
mod skyrl;
mod tokens;
mod trl;
mod verifiers;
mod verl;

pub use format::{Format, Unit};
pub use options::{Container, ExportOptions};

use crate::episodes::StoredEpisode;
use crate::error::{Error, Result};
use crate::select::{Selection, StoredTask};
use crate::store::Store;
use atomic::AtomicFile;
use card::Counts;
use files::Files;
use row::{EpisodeRow, TaskRow, World};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use terrarium_envs::tool::ToolSpec;

/// What an export wrote.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ExportSummary {
    /// Rows.
    pub rows: u64,
    /// Episodes that were selected and have no row, by reason.
    pub left_out: BTreeMap<&'static str, u64>,
    /// Files written, in order, relative to the export's folder.
    pub files: Vec<ExportedFile>,
}

/// One file of an export.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExportedFile {
    /// Name within the folder.
    pub name: PathBuf,
    /// Its split; none for the dataset card.
    pub split: Option<&'static str>,
    /// Rows in it.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// blake3 of its rows as JSON lines, in hex, whatever the container; none for the dataset card.
    pub digest: Option<String>,
}

/// Writes what the options select into `dir`: a file for each split that has any rows, and a dataset card `README.md`. Files of an
/// earlier export into the same folder are replaced, one by one and whole; those of splits that are empty now are removed.
///
/// # Errors
/// [`Error::NoColumns`] for Parquet of a format whose rows have no fixed columns, [`Error::Expression`] for a condition that SQLite
/// does not take, those of reading the store, and of writing files (disk full, no permission).
pub async fn export(store: &Store, options: &ExportOptions, dir: &Path) -> Result<ExportSummary> {
    let columns = options.format.columns(options.thinking).filter(|_| !options.objects);
    if options.container == Container::Parquet && columns.is_none() {
        return Err(Error::NoColumns { format: options.format.name() });
    }
    std::fs::create_dir_all(dir).map_err(|e| io(dir, &e))?;
    atomic::sweep(dir)?;
    let mut writing = Writing {
        store,
        options,
        files: Files::new(dir, options.container, columns.unwrap_or_default()),
        counts: Counts::default(),
        world: None,
        line: Vec::new(),
        left_out: BTreeMap::new(),
    };
    match options.format.unit() {
        Unit::Episode | Unit::TracedEpisode => writing.episodes().await?,
        Unit::Pair => writing.pairs().await?,
        Unit::Task => writing.tasks().await?,
    }
    let Writing { files, counts, left_out, .. } = writing;
    let files = files.finish()?;
    let mut summary = ExportSummary { rows: files.iter().map(|f| f.rows).sum(), left_out, files };
    let seed = store.meta().await?.remove("seed");
    let text = card::text(&counts, &summary, seed.as_deref(), options);
    let mut file = AtomicFile::create(dir, card::NAME)?;
    file.append(text.as_bytes())?;
    summary.files.push(ExportedFile {
        name: card::NAME.into(),
        split: None,
        rows: 0,
        bytes: file.finish()?,
        digest: None,
    });
    Ok(summary)
}

/// An export under way.
struct Writing<'a> {
    store: &'a Store,
    options: &'a ExportOptions,
    files: Files,
    counts: Counts,
    /// The environment of the last row: rows come ordered by task, and the id of a task begins with its environment's.
    world: Option<World>,
    line: Vec<u8>,
    left_out: BTreeMap<&'static str, u64>,
}

impl Writing<'_> {
    async fn episodes(&mut self) -> Result<()> {
        let mut cursor = self.store.select(&self.selection()).await?;
        while let Some(stored) = cursor.next_stored().await? {
            self.enter(&stored.episode.environment_id).await?;
            self.line.clear();
            match self.episode_line(&stored) {
                Ok(()) => {
                    self.files.put(stored.split, &self.line)?;
                    self.counts.add_episode(&stored);
                }
                Err(reason) => *self.left_out.entry(reason).or_default() += 1,
            }
        }
        Ok(())
    }

    async fn pairs(&mut self) -> Result<()> {
        let mut cursor = self.store.select_pairs(&self.selection()).await?;
        while let Some(chosen) = cursor.next_stored().await? {
            let Some(rejected) = cursor.next_stored().await? else { break };
            self.enter(&chosen.episode.environment_id).await?;
            self.line.clear();
            let row =
                |stored| EpisodeRow { stored, world: self.world.as_ref().expect("entered"), options: self.options };
            let mut line = std::mem::take(&mut self.line);
            preference::write_pair(&row(&chosen), &row(&rejected), &mut line);
            self.line = line;
            self.files.put(chosen.split, &self.line)?;
            self.counts.add_episode(&chosen);
            self.counts.add_episode(&rejected);
        }
        Ok(())
    }

    async fn tasks(&mut self) -> Result<()> {
        let mut cursor = self.store.select_tasks(&self.options.selection).await?;
        while let Some(StoredTask { task, cluster }) = cursor.next().await? {
            self.enter(&task.environment_id).await?;
            self.line.clear();
            let world = self.world.as_ref().expect("entered");
            let row = TaskRow { task: &task, cluster: &cluster, world, index: self.files.rows(task.split) };
            match self.options.format {
                Format::TrlGrpo => trl::write_prompt(&row, &mut self.line),
                Format::Verl => verl::write(&row, &mut self.line),
                Format::SkyRl => skyrl::write(&row, &mut self.line),
                _ => nemo::write(&row, &mut self.line),
            }
            self.files.put(task.split, &self.line)?;
            self.counts.add_task(&task);
        }
        Ok(())
    }

    /// What is read: token traces only where the format has them, no changes of the world.
    fn selection(&self) -> Selection {
        let mut selection = self.options.selection.clone();
        selection.episodes.without_traces =
            !matches!(self.options.format, Format::SkyRlSft | Format::Verifiers | Format::Atif);
        // No format has a place for them.
        selection.episodes.without_diffs = true;
        selection.traced |= self.options.format.unit() == Unit::TracedEpisode;
        selection
    }

    /// The row of an episode, or why it has none.
    fn episode_line(&mut self, stored: &StoredEpisode) -> Result<(), &'static str> {
        if stored.episode.messages.is_empty() {
            return Err("no messages");
        }
        let row = EpisodeRow { stored, world: self.world.as_ref().expect("entered"), options: self.options };
        match self.options.format {
            Format::SkyRlSft => {
                if !skyrl::write_sft(&row, &mut self.line) {
                    return Err("no single sequence of tokens");
                }
            }
            Format::TrlKto => preference::write(&row, &mut self.line),
            Format::Verifiers => verifiers::write(&row, &mut self.line),
            Format::Atif => atif::write(&row, &mut self.line),
            Format::Adp => adp::write(&row, &mut self.line),
            _ => openai::write(&row, &mut self.line),
        }
        Ok(())
    }

    /// Makes `world` the environment with an id.
    async fn enter(&mut self, id: &str) -> Result<()> {
        if self.world.as_ref().is_none_or(|world| world.id != id) {
            let environment = self.store.environment(id).await?;
            let (shape, as_text) = self.shape();
            let cluster = self.store.clusters(id, &[]).await?.environment;
            self.world = Some(World::of(environment, cluster, shape, as_text));
        }
        Ok(())
    }

    /// How the format shows tools, and whether as JSON text.
    fn shape(&self) -> (fn(&[ToolSpec]) -> Value, bool) {
        match self.options.format {
            Format::Verifiers => (verifiers::tools, false),
            Format::Nemo => (nemo::tools, false),
            Format::Atif | Format::Adp => (chat::tools, false),
            _ => (chat::tools, !self.options.objects),
        }
    }
}

fn io(path: &Path, error: &std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Error::Full { path: path.to_path_buf() },
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            Error::ReadOnly { path: path.to_path_buf() }
        }
        _ => Error::Io { path: path.to_path_buf(), detail: error.to_string() },
    }
}

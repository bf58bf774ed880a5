//! Files and disks that are not as they should be: each must give its own error that says what to do, and nothing may be lost or torn.

mod support;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Executor};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use terrarium_dataset::store::FORMAT_VERSION;
use terrarium_dataset::{EpisodeFilter, Error, Options, Store, TaskFilter};
use terrarium_envs::environment::Environment;
use terrarium_envs::episode::Episode;
use terrarium_envs::task::Task;

fn world() -> (Environment, Task) {
    let environment = support::environment(0);
    let task = support::task(&environment, 0);
    (environment, task)
}

fn episodes(range: std::ops::Range<u32>) -> Vec<Episode> {
    let (environment, task) = world();
    range.map(|sample| support::episode(&task, &environment.system, "expert", sample, 10)).collect()
}

/// A closed database with some episodes.
async fn filled(path: &Path, samples: u32) {
    let store = Store::create(path).await.unwrap();
    let (environment, task) = world();
    store.put_environment_with_tasks(&environment, &[task], None).await.unwrap();
    store.put_episodes(episodes(0..samples)).await.unwrap();
    store.close().await.unwrap();
}

async fn raw(path: &Path, create: bool) -> SqliteConnection {
    SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path).create_if_missing(create)).await.unwrap()
}

struct Place {
    dir: tempfile::TempDir,
    path: PathBuf,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("terrarium.db");
    Place { dir, path }
}

/// The error of opening, whose text must name the file and not be followed by a change of it.
async fn open_error(path: &Path) -> Error {
    let before = std::fs::read(path).ok();
    let error = Store::open(path).await.err().expect("opening must fail");
    assert_eq!(std::fs::read(path).ok(), before, "a refused file was changed: {error}");
    let text = error.to_string();
    assert!(text.contains(path.to_str().unwrap()), "{text}");
    error
}

#[tokio::test]
async fn missing_empty_and_existing_files() {
    let place = place();
    assert!(matches!(open_error(&place.path).await, Error::Missing { .. }));
    assert!(matches!(Store::open_read_only(&place.path).await.err(), Some(Error::Missing { .. })));
    std::fs::write(&place.path, "").unwrap();
    assert!(matches!(open_error(&place.path).await, Error::Empty { .. }));
    Store::create(&place.path).await.unwrap().close().await.unwrap();
    assert!(matches!(Store::create(&place.path).await.err(), Some(Error::Exists { .. })));
    Store::open_or_create(&place.path).await.unwrap().close().await.unwrap();
    let nowhere = place.dir.path().join("no/such/folder/terrarium.db");
    assert!(matches!(Store::create(&nowhere).await.err(), Some(Error::Io { .. })));
    assert!(matches!(Store::open(place.dir.path()).await.err(), Some(Error::NotADatabase { .. })));
}

#[tokio::test]
async fn garbage_is_not_a_database() {
    let place = place();
    for garbage in [b"hello".to_vec(), vec![0; 100_000], b"{\"task\": 1}\n".repeat(1000)] {
        std::fs::write(&place.path, &garbage).unwrap();
        assert!(matches!(open_error(&place.path).await, Error::NotADatabase { .. }));
        assert!(matches!(Store::open_or_create(&place.path).await.err(), Some(Error::NotADatabase { .. })));
        assert!(matches!(Store::create(&place.path).await.err(), Some(Error::Exists { .. })));
    }
    // The right first bytes and nothing right after them.
    let mut lies = b"SQLite format 3\0".to_vec();
    lies.extend((0..20_000u32).map(|i| (i * 31 % 251) as u8));
    std::fs::write(&place.path, &lies).unwrap();
    let error = open_error(&place.path).await;
    assert!(matches!(error, Error::NotADatabase { .. } | Error::Corrupt { .. } | Error::Truncated { .. }), "{error:?}");
}

#[tokio::test]
async fn another_programs_database_is_left_alone() {
    let place = place();
    let mut connection = raw(&place.path, true).await;
    connection.execute("CREATE TABLE bookmarks (url TEXT)").await.unwrap();
    connection.close().await.unwrap();
    assert!(matches!(open_error(&place.path).await, Error::Foreign { .. }));
    assert!(matches!(Store::open_or_create(&place.path).await.err(), Some(Error::Foreign { .. })));
}

#[tokio::test]
async fn a_newer_format_is_refused_with_both_numbers() {
    let place = place();
    filled(&place.path, 1).await;
    let mut connection = raw(&place.path, false).await;
    connection.execute("PRAGMA user_version = 99").await.unwrap();
    connection.close().await.unwrap();
    let error = open_error(&place.path).await;
    assert!(matches!(error, Error::Newer { found: 99, known: FORMAT_VERSION, .. }), "{error}");
    assert!(matches!(Store::open_read_only(&place.path).await.err(), Some(Error::Newer { .. })));
}

#[tokio::test]
async fn a_file_that_was_cut_off_is_recognised() {
    let place = place();
    filled(&place.path, 200).await;
    let whole = std::fs::read(&place.path).unwrap();
    for length in [5, 16, 99, 100, 4096, 8192, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&place.path, &whole[..length]).unwrap();
        let error = open_error(&place.path).await;
        assert!(matches!(error, Error::Truncated { found, .. } if found == length as u64), "{length}: {error}");
    }
    std::fs::write(&place.path, &whole).unwrap();
    assert!(Store::open(&place.path).await.unwrap().check().await.unwrap().is_sound());
}

/// Whatever bytes are overwritten: no panic, no endless loop, and never a changed value that passes for sound.
#[tokio::test]
async fn overwritten_pages_are_found() {
    let place = place();
    filled(&place.path, 60).await;
    let whole = std::fs::read(&place.path).unwrap();
    let expected = episodes(0..60);
    let mut found = 0;
    for n in 0..40usize {
        let at = 100 + n * 7919 * 13 % (whole.len() - 200);
        let mut damaged = whole.clone();
        damaged[at..at + 64].fill(0xAA);
        std::fs::write(&place.path, &damaged).unwrap();
        for suffix in ["-wal", "-shm"] {
            std::fs::remove_file(place.dir.path().join(format!("terrarium.db{suffix}"))).ok();
        }
        let store = match Store::open(&place.path).await {
            Ok(store) => store,
            Err(error) => {
                found += 1;
                assert!(!matches!(error, Error::Sql { .. }), "{at}: {error}");
                continue;
            }
        };
        let report = store.check().await.unwrap();
        let read = match store.episodes(&EpisodeFilter::default()).await {
            Ok(cursor) => cursor.collect().await,
            Err(error) => Err(error),
        };
        let tasks = store.tasks(&TaskFilter::default()).await;
        found += u32::from(!report.is_sound());
        // Texts carry no checksum of their own: bytes inside a text may change unseen. Structure may not.
        if let (true, Ok(read), Ok(tasks)) = (report.is_sound(), read, tasks) {
            assert!(
                read.len() == expected.len() && tasks.len() == 1,
                "{at}: rows vanished from a database that passes for sound"
            );
        }
        drop(store);
    }
    assert!(found > 10, "only {found} of 40 damages were found");
}

#[tokio::test]
async fn a_component_that_changed_is_found_by_its_digest() {
    let place = place();
    filled(&place.path, 1).await;
    let mut connection = raw(&place.path, false).await;
    connection.execute("UPDATE environments SET digest = replace(digest, 'a', 'b')").await.unwrap();
    connection.execute("UPDATE episodes SET outcome = 'failed', reward = 0.5").await.unwrap();
    connection.close().await.unwrap();
    let report = Store::open(&place.path).await.unwrap().check().await.unwrap();
    let details: Vec<&str> = report.findings.iter().map(|f| f.detail.as_str()).collect();
    // What was changed, and four sums that counted it as solved.
    assert_eq!(report.found, 6, "{details:?}");
    assert!(details[0].contains("digest") && details[1].contains("failed carries reward Some(0.5)"), "{details:?}");
    assert!(details[2..].iter().all(|d| d.starts_with("1 sums are not what the episodes come to")), "{details:?}");
    assert_eq!(report.checked["episodes"], 1);
}

#[tokio::test]
async fn a_lock_held_by_another_is_waited_for_and_then_reported() {
    let place = place();
    filled(&place.path, 1).await;
    let options = Options { busy_timeout_ms: 200, ..Options::default() };
    let store = Store::open_with(&place.path, options.clone()).await.unwrap();
    let mut other = raw(&place.path, false).await;
    other.execute("BEGIN EXCLUSIVE").await.unwrap();
    let started = Instant::now();
    let error = store.put_episodes(episodes(1..2)).await.unwrap_err();
    assert!(matches!(error, Error::Locked { waited_ms: 200, .. }) && error.is_locked(), "{error}");
    assert!(started.elapsed() >= Duration::from_millis(150), "it did not wait");
    assert_eq!(store.stored_samples("expert").await.unwrap().len(), 1, "readers do not wait for writers");
    let second = Store::open_with(&place.path, options).await;
    assert!(second.as_ref().err().is_none_or(Error::is_locked), "{:?}", second.err());
    other.execute("ROLLBACK").await.unwrap();
    store.put_episodes(episodes(1..2)).await.unwrap();
    assert_eq!(store.stored_samples("expert").await.unwrap().len(), 2);
}

/// Writes until the disk is full, then with room again: nothing of the failed batch is there, everything before it is.
async fn fill_up(path: &Path, options: Options) -> u32 {
    let (environment, task) = world();
    let store = Store::open_or_create_with(path, options).await.unwrap();
    store.put_environment_with_tasks(&environment, &[task], None).await.unwrap();
    let mut stored = 0;
    let error = loop {
        match store.put_episodes(episodes(stored..stored + 20)).await {
            Ok(()) => stored += 20,
            Err(error) => break error,
        }
        assert!(stored < 100_000, "the limit does not hold");
    };
    assert!(matches!(error, Error::Full { .. }), "{error:?}");
    assert!(error.to_string().contains("free some space"));
    // The store stays usable for reading, and refuses again without harm.
    assert_eq!(store.stored_samples("expert").await.unwrap().len() as u32, stored);
    let again = store.put_episodes(episodes(stored..stored + 20)).await.unwrap_err();
    assert!(matches!(again, Error::Full { .. }), "{again:?}");
    stored
}

#[tokio::test]
async fn a_full_database_loses_nothing() {
    let place = place();
    let stored = fill_up(&place.path, Options { pages_max: Some(150), ..Options::default() }).await;
    assert!(stored > 0);
    let store = Store::open(&place.path).await.unwrap();
    store.put_episodes(episodes(stored..stored + 20)).await.unwrap();
    assert!(store.check().await.unwrap().is_sound());
    assert_eq!(
        store.episodes(&EpisodeFilter::default()).await.unwrap().collect().await.unwrap(),
        episodes(0..stored + 20)
    );
}

/// The same on a real file system without room: needs the right to mount a small tmpfs.
#[tokio::test]
async fn a_full_disk_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mount =
        |args: &[&str]| std::process::Command::new(args[0]).args(&args[1..]).output().is_ok_and(|o| o.status.success());
    let at = dir.path().to_str().unwrap();
    if !mount(&["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", at]) {
        eprintln!("SKIPPED a_full_disk_loses_nothing: no right to mount a tmpfs here");
        return;
    }
    let path = dir.path().join("terrarium.db");
    let stored = fill_up(&path, Options::default()).await;
    let remounted = mount(&["mount", "-o", "remount,size=64m", at]);
    let outcome = async {
        let store = Store::open(&path).await?;
        store.put_episodes(episodes(stored..stored + 20)).await?;
        let sound = store.check().await?.is_sound();
        let all = store.episodes(&EpisodeFilter::default()).await?.collect().await?;
        store.close().await?;
        Ok::<_, Error>((sound, all))
    }
    .await;
    let unmounted = mount(&["umount", at]);
    assert!(remounted && unmounted);
    let (sound, all) = outcome.unwrap();
    assert!(sound && all == episodes(0..stored + 20));
}

#[tokio::test]
async fn what_is_opened_for_reading_cannot_be_written() {
    let place = place();
    filled(&place.path, 3).await;
    let store = Store::open_read_only(&place.path).await.unwrap();
    assert_eq!(store.stored_samples("expert").await.unwrap().len(), 3);
    let error = store.put_episodes(episodes(3..4)).await.unwrap_err();
    assert!(matches!(error, Error::ReadOnly { .. }), "{error}");
    drop(store);

    // Permissions bind everybody but root.
    let mut permissions = std::fs::metadata(&place.path).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&place.path, permissions).unwrap();
    if std::fs::OpenOptions::new().write(true).open(&place.path).is_ok() {
        eprintln!("SKIPPED the permission part: this user (root) may write anything");
        return;
    }
    let error = match Store::open(&place.path).await {
        Ok(store) => store.put_episodes(episodes(3..4)).await.unwrap_err(),
        Err(error) => error,
    };
    assert!(matches!(error, Error::ReadOnly { .. }), "{error:?}");
}

/// A write whose future is dropped half way (Ctrl-C) leaves no open transaction behind.
#[tokio::test]
async fn an_abandoned_write_is_undone() {
    let place = place();
    filled(&place.path, 1).await;
    let store = Store::open(&place.path).await.unwrap();
    for wait_us in [0, 50, 200, 1000, 3000] {
        let write = store.put_episodes(episodes(1..400));
        let _ = tokio::time::timeout(Duration::from_micros(wait_us), write).await;
        let stored = store.stored_samples("expert").await.unwrap().len();
        assert!(stored == 1 || stored == 400, "a part of a batch is stored: {stored}");
        if stored == 400 {
            break;
        }
    }
    let mut other = raw(&place.path, false).await;
    tokio::time::timeout(Duration::from_secs(2), other.execute("BEGIN IMMEDIATE"))
        .await
        .expect("the lock is free")
        .unwrap();
    other.execute("ROLLBACK").await.unwrap();
    store.put_episodes(episodes(400..401)).await.unwrap();
}

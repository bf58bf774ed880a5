//! The cache of compiled programs: it speeds loading up, and believes only itself.

mod support;

use serde_json::json;
use std::fs;
use std::path::{Path as FilePath, PathBuf};
use support::{desk, ok};
use terrarium_sandbox::{Config, Path, Sandbox};

fn sandbox(dir: &FilePath) -> Sandbox {
    Sandbox::new(Config { limits: support::limits(), cache_dir: Some(dir.to_owned()), ..Config::default() })
        .expect("sandbox")
}

fn works(dir: &FilePath) {
    for path in [Path::Core, Path::Component] {
        let mut guest = sandbox(dir).load_as(&desk(), path).expect("program").instantiate().expect("instance");
        assert_eq!(ok(&mut guest, "get_member", json!({"id": "M-0001"}))["name"], "Ada Byron");
    }
}

/// Compiled files, sorted.
fn compiled(dir: &FilePath) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir)
        .expect("dir")
        .map(|e| e.expect("entry").path())
        .filter(|p| p.extension().is_some_and(|e| e == "cwasm"))
        .collect();
    files.sort();
    files
}

fn contents(dir: &FilePath) -> Vec<Vec<u8>> {
    compiled(dir).iter().map(|p| fs::read(p).expect("file")).collect()
}

#[test]
fn compiled_programs_are_kept_and_found_again() {
    let dir = tempfile::tempdir().expect("dir");
    works(dir.path());
    assert_eq!(compiled(dir.path()).len(), 2);
    let written = fs::metadata(&compiled(dir.path())[0]).expect("file").modified().expect("time");
    works(dir.path());
    assert_eq!(
        fs::metadata(&compiled(dir.path())[0]).expect("file").modified().expect("time"),
        written,
        "it was not rewritten"
    );
    let left: Vec<_> = fs::read_dir(dir.path()).expect("dir").map(|e| e.expect("entry").file_name()).collect();
    assert_eq!(left.len(), 3, "two programs and the key: {left:?}");
}

#[test]
fn a_cached_program_is_the_compiled_one() {
    let dir = tempfile::tempdir().expect("dir");
    for path in [Path::Auto, Path::Core] {
        let first = sandbox(dir.path()).load_as(&desk(), path).expect("compiled");
        let again = sandbox(dir.path()).load_as(&desk(), path).expect("cached");
        assert!(first.tools().len() > 3);
        // All of it: names, types and their layout, what is returned, in which record many parameters travel.
        assert_eq!(format!("{:?}", first.tools()), format!("{:?}", again.tools()));
        assert_eq!(first.section("terrarium:state"), again.section("terrarium:state"));
        assert!(first.section("terrarium:state").is_some());
        let (mut one, mut other) = (first.instantiate().expect("instance"), again.instantiate().expect("instance"));
        for instance in [&mut one, &mut other] {
            instance.call("pay_fine", &json!({"id": "M-0001"})).expect("a call");
        }
        assert_eq!(one.state().expect("state"), other.state().expect("state"));
        let (one, other) = (one.fork().expect("fork"), other.fork().expect("fork"));
        assert_eq!(one.net_diff().expect("diff"), other.net_diff().expect("diff"));
    }
    // As a component the same bytes are another program.
    let component = sandbox(dir.path()).load_as(&desk(), Path::Component).expect("component");
    assert!(!component.has_state());
}

#[test]
fn damaged_and_foreign_files_are_compiled_anew() {
    let dir = tempfile::tempdir().expect("dir");
    works(dir.path());
    let good = contents(dir.path());
    let files = compiled(dir.path());
    // A flipped bit in the header, in the code and at the end; a cut; nothing; another program's file under this name.
    let damage: [Damage; 6] = [
        &|b| flip(b, 9),
        &|b| flip(b, b.len() / 2),
        &|b| flip(b, b.len() - 1),
        &|b| b[..b.len() / 2].to_vec(),
        &|_| Vec::new(),
        &|b| good.iter().find(|other| other.as_slice() != b).expect("other").clone(),
    ];
    for break_it in damage {
        for (file, good) in files.iter().zip(&good) {
            fs::write(file, break_it(good)).expect("write");
        }
        works(dir.path());
        assert_eq!(
            contents(dir.path()).iter().map(Vec::len).collect::<Vec<_>>(),
            good.iter().map(Vec::len).collect::<Vec<_>>()
        );
        works(dir.path());
    }
}

type Damage<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;

fn flip(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 0x10;
    bytes
}

/// Files that another cache wrote, with a key of its own, are not believed.
#[test]
fn another_caches_files_are_not_believed() {
    let (here, there) = (tempfile::tempdir().expect("dir"), tempfile::tempdir().expect("dir"));
    works(here.path());
    works(there.path());
    for (from, to) in compiled(there.path()).iter().zip(compiled(here.path())) {
        assert_eq!(from.file_name(), to.file_name(), "names depend on program and settings only");
        fs::copy(from, &to).expect("copy");
    }
    let foreign = contents(here.path());
    works(here.path());
    for (before, after) in foreign.iter().zip(contents(here.path())) {
        assert_ne!(*before, after, "the foreign file was replaced");
    }
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_replaced() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("dir");
    works(dir.path());
    let key = dir.path().join("key");
    assert_eq!(fs::metadata(&key).expect("key").permissions().mode() & 0o777, 0o600);
    let old = fs::read(&key).expect("key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("chmod");
    works(dir.path());
    assert_ne!(fs::read(&key).expect("key"), old);
    assert_eq!(fs::metadata(&key).expect("key").permissions().mode() & 0o777, 0o600);
    // A short key, and a link to someone's file, are not used either.
    fs::write(&key, b"short").expect("write");
    works(dir.path());
    assert_eq!(fs::read(&key).expect("key").len(), 32);
    let elsewhere = dir.path().join("elsewhere");
    fs::write(&elsewhere, [7; 32]).expect("write");
    fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o600)).expect("chmod");
    fs::remove_file(&key).expect("remove");
    std::os::unix::fs::symlink(&elsewhere, &key).expect("link");
    works(dir.path());
    assert!(fs::symlink_metadata(&key).expect("key").is_file());
    assert_ne!(fs::read(&key).expect("key"), [7; 32]);
}

/// Where nothing can be written, programs still load.
#[cfg(unix)]
#[test]
fn an_unusable_directory_is_no_obstacle() {
    let file = tempfile::NamedTempFile::new().expect("file");
    works(file.path());
    works(&file.path().join("below-a-file"));
    works(FilePath::new("/proc/self/no-such-place"));
    // The directory goes away, or fills up, after it was opened.
    let dir = tempfile::tempdir().expect("dir");
    let open = sandbox(dir.path());
    drop(dir);
    open.load(&desk()).expect("program").instantiate().expect("instance");
}

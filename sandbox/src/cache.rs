//! Compiled programs on disk, trusted only if this cache wrote them.
//!
//! Compiled code is machine code: loading it is `unsafe`, because a forged file would run outside the sandbox. So each file carries a
//! BLAKE3 MAC over the program's digest, the engine's settings, the loader's notes and the code, under a random key that only this directory's owner can
//! read; whatever does not verify is compiled anew and overwritten. Files are written beside their name and renamed, so readers never
//! see half a file. Every failure to write (a full disk, a read-only directory) leaves the program compiled in memory only.
//!
//! Not covered: someone who can read the key file, or run code as its owner.

use std::fs::{self, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use wasmtime::component::Component;
use wasmtime::{Engine, Module};

const MAGIC: &[u8; 8] = b"TRRACWM2";
const KEY_FILE: &str = "key";
/// Magic and MAC; then the length of the notes as a little-endian u64, the notes, the code.
const HEADER_BYTES: usize = 8 + 32;
const LENGTH_BYTES: usize = 8;

/// Files kept; the oldest go first.
const FILES_MAX: usize = 10_000;

/// A directory of compiled programs.
pub(crate) struct Cache {
    dir: PathBuf,
    key: [u8; 32],
    writes: AtomicU64,
    /// What wasmtime says of version, target and settings of the two engines; making it takes as long as reading a file.
    engines: Mutex<Vec<(Engine, blake3::Hash)>>,
}

impl Cache {
    /// Opens or makes the directory and its key. `None` if that is not possible or the key is not ours alone.
    pub(crate) fn open(dir: &Path) -> Option<Self> {
        make_dir(dir).ok()?;
        let key = read_key(dir).or_else(|| write_key(dir))?;
        let cache = Cache { dir: dir.to_owned(), key, writes: AtomicU64::new(0), engines: Mutex::default() };
        cache.prune();
        Some(cache)
    }

    /// The compiled core module of `digest`, and the notes kept with it.
    pub(crate) fn module(&self, engine: &Engine, digest: &blake3::Hash) -> Option<(Module, Vec<u8>)> {
        let stored = self.read(&self.identity(engine, digest, b"module"))?;
        // SAFETY: the MAC says that `Module::serialize` of this cache's owner made these bytes, for this engine's version and settings.
        #[expect(unsafe_code, reason = "loading machine code that the MAC shows to be ours")]
        let module = unsafe { Module::deserialize(engine, stored.code()) }.ok()?;
        Some((module, stored.notes().to_vec()))
    }

    /// Keeps a compiled core module and notes on it, as far as that is possible.
    pub(crate) fn keep_module(&self, engine: &Engine, digest: &blake3::Hash, module: &Module, notes: &[u8]) {
        if let Ok(code) = module.serialize() {
            self.write(&self.identity(engine, digest, b"module"), notes, &code);
        }
    }

    /// The compiled component of `digest`, from the cache or made by `compile`.
    ///
    /// # Errors
    /// Those of compiling.
    pub(crate) fn component(
        cache: Option<&Cache>,
        engine: &Engine,
        digest: &blake3::Hash,
        compile: impl FnOnce() -> wasmtime::Result<Component>,
    ) -> wasmtime::Result<Component> {
        let Some(cache) = cache else { return compile() };
        let id = cache.identity(engine, digest, b"component");
        if let Some(stored) = cache.read(&id) {
            // SAFETY: the MAC says that `Component::serialize` of this cache's owner made these bytes, for this engine's version and settings.
            #[expect(unsafe_code, reason = "loading machine code that the MAC shows to be ours")]
            if let Ok(component) = unsafe { Component::deserialize(engine, stored.code()) } {
                return Ok(component);
            }
        }
        let component = compile()?;
        if let Ok(code) = component.serialize() {
            cache.write(&id, &[], &code);
        }
        Ok(component)
    }

    /// What a compiled file stands for: program, kind and engine.
    fn identity(&self, engine: &Engine, digest: &blake3::Hash, kind: &[u8]) -> blake3::Hash {
        let mut engines = self.engines.lock().unwrap_or_else(PoisonError::into_inner);
        let known = engines.iter().find(|(known, _)| Engine::same(known, engine)).map(|(_, hash)| *hash);
        let engine = known.unwrap_or_else(|| {
            let hash = compatibility(engine);
            engines.push((engine.clone(), hash));
            hash
        });
        let mut hasher = blake3::Hasher::new();
        hasher.update(digest.as_bytes()).update(kind).update(engine.as_bytes());
        hasher.finalize()
    }

    fn path(&self, id: &blake3::Hash) -> PathBuf {
        self.dir.join(format!("{}.cwasm", &id.to_hex()[..40]))
    }

    /// The MAC of what follows the header.
    fn mac(&self, id: &blake3::Hash, body: &[&[u8]]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(id.as_bytes());
        body.iter().for_each(|part| {
            hasher.update(part);
        });
        hasher.finalize()
    }

    /// A file whose MAC is right.
    fn read(&self, id: &blake3::Hash) -> Option<Stored> {
        let bytes = fs::read(self.path(id)).ok()?;
        let (header, body) = bytes.split_at_checked(HEADER_BYTES)?;
        let mac = blake3::Hash::from_bytes(header.get(8..)?.try_into().ok()?);
        // Comparing two `blake3::Hash` takes constant time.
        if &header[..8] != MAGIC || self.mac(id, &[body]) != mac {
            return None;
        }
        let length = u64::from_le_bytes(body.get(..LENGTH_BYTES)?.try_into().ok()?);
        let notes_end = usize::try_from(length).ok()?.checked_add(HEADER_BYTES + LENGTH_BYTES)?;
        (notes_end <= bytes.len()).then_some(Stored { bytes, notes_end })
    }

    /// Best effort.
    fn write(&self, id: &blake3::Hash, notes: &[u8], code: &[u8]) {
        let number = self.writes.fetch_add(1, Ordering::Relaxed);
        let temporary = self.dir.join(format!("{}-{}-{number}.tmp", &id.to_hex()[..16], std::process::id()));
        let written = (|| -> std::io::Result<()> {
            let mut file = private_file(&temporary)?;
            let length = (notes.len() as u64).to_le_bytes();
            file.write_all(MAGIC)?;
            file.write_all(self.mac(id, &[&length, notes, code]).as_bytes())?;
            file.write_all(&length)?;
            file.write_all(notes)?;
            file.write_all(code)?;
            drop(file);
            fs::rename(&temporary, self.path(id))
        })();
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
    }

    /// Deletes the oldest files beyond [`FILES_MAX`], and left-over temporary files of an hour ago.
    fn prune(&self) {
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        let mut files = Vec::new();
        for entry in entries.flatten() {
            let path = entry.path();
            let Some(age) = entry.metadata().ok().and_then(|m| m.modified().ok()).and_then(|t| t.elapsed().ok()) else {
                continue;
            };
            match path.extension().and_then(|e| e.to_str()) {
                Some("tmp") if age.as_secs() > 3600 => {
                    let _ = fs::remove_file(&path);
                }
                Some("cwasm") => files.push((age, path)),
                _ => {}
            }
        }
        files.sort();
        for (_, path) in files.iter().skip(FILES_MAX) {
            let _ = fs::remove_file(path);
        }
    }
}

/// A file that this cache wrote.
struct Stored {
    bytes: Vec<u8>,
    notes_end: usize,
}

impl Stored {
    fn notes(&self) -> &[u8] {
        &self.bytes[HEADER_BYTES + LENGTH_BYTES..self.notes_end]
    }

    fn code(&self) -> &[u8] {
        &self.bytes[self.notes_end..]
    }
}

/// Wasmtime's own statement of an engine's version, target and settings.
fn compatibility(engine: &Engine) -> blake3::Hash {
    struct Feed(blake3::Hasher);
    impl Hasher for Feed {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            0
        }
    }
    let mut feed = Feed(blake3::Hasher::new());
    engine.precompile_compatibility_hash().hash(&mut feed);
    feed.0.finalize()
}

fn make_dir(dir: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// A new file that only its owner can read and write.
fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The key, if its file is a plain file of 32 bytes that belongs to us and that nobody else can read or write.
fn read_key(dir: &Path) -> Option<[u8; 32]> {
    let path = dir.join(KEY_FILE);
    let meta = fs::symlink_metadata(&path).ok()?;
    if !meta.is_file() || meta.len() != 32 || !ours_alone(dir, &meta) {
        return None;
    }
    let mut key = [0; 32];
    File::open(&path).ok()?.read_exact(&mut key).ok()?;
    Some(key)
}

/// Whether a file has mode 0600 at most and the owner that a file made by this process has.
#[cfg(unix)]
fn ours_alone(dir: &Path, meta: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    let probe = dir.join(format!("probe-{}-{:?}.tmp", std::process::id(), std::thread::current().id()));
    let me = private_file(&probe).and_then(|f| f.metadata()).map(|m| m.uid());
    let _ = fs::remove_file(&probe);
    (meta.mode() & 0o777) | 0o600 == 0o600 && me.is_ok_and(|me| me == meta.uid())
}

#[cfg(not(unix))]
fn ours_alone(_: &Path, _: &fs::Metadata) -> bool {
    true
}

/// Makes a new key, in place of one that is not to be trusted; files under the old key no longer verify.
fn write_key(dir: &Path) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).ok()?;
    let temporary = dir.join(format!("key-{}-{:?}.tmp", std::process::id(), std::thread::current().id()));
    let _ = fs::remove_file(&temporary);
    let written = private_file(&temporary).and_then(|mut f| f.write_all(&key));
    let placed = written.and_then(|()| match read_key(dir) {
        // Another process was faster.
        Some(other) => {
            key = other;
            fs::remove_file(&temporary)
        }
        None => fs::rename(&temporary, dir.join(KEY_FILE)),
    });
    if placed.is_err() {
        let _ = fs::remove_file(&temporary);
        return None;
    }
    Some(key)
}

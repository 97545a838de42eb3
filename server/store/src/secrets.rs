//! The keys of a log, kept beside the engine: whoever has the engine's files alone opens nothing, and a key that is
//! destroyed here is gone from every copy of those files.
//!
//! A directory holds three files, each 0600 and each replaced as a whole:
//!
//! - `signing`: the log's signing keys, C2SP private notes (`PRIVATE+KEY+…`), one a line.
//! - `kek`: key-encryption keys by id, in the clear.
//! - `keyring`: page, index, window and pseudonym keys, wrapped by the key-encryption key with AES-256-GCM-SIV.
//!
//! All keys are random and independent. `docs/storage.md` has the formats and says who is trusted with what.
//!
//! Pages after a restart: which of a page's 4,096 places were used is known to memory alone. So all pages that exist when
//! the keys are opened count as full, and the first reservation makes new ones. A restart wastes at most 15 unused pages
//! and part of another, some 95 bytes each; nothing has to be written when a page is handed out.

mod kek;
mod key;
mod keyring;
mod month;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use thiserror::Error;
use zeroize::Zeroizing;

pub use self::key::{PageId, PageKey, SecretKey};
pub use self::month::{Month, MonthError, day_of};

use self::kek::Kek;
use self::keyring::{Keyring, Wrapping};
use crate::durable;
use crate::limits::{PAGE_BLOCK, PAGE_RECORDS_MAX, RESERVATION_RECORDS_MAX, SMALL_FILE_BYTES_MAX};

const SIGNING: &str = "signing";
const KEK: &str = "kek";
const KEYRING: &str = "keyring";
const PRIVATE_NOTE: &str = "PRIVATE+KEY+";

/// The keys of one log. Reads are cheap and never wait for the disk; what makes a key blocks on it, and whatever such a
/// call answers is durable.
pub struct LogKeys {
    dir: PathBuf,
    origin: String,
    signing: RwLock<Arc<[Zeroizing<String>]>>,
    kek: Kek,
    /// What readers see: the last keyring that is on disk. Held only to clone the pointer.
    shown: RwLock<Arc<Keyring>>,
    /// Held by who writes the keyring, across the write.
    room: Mutex<Room>,
}

/// Pages of this run with places left, the next to be used first, and who may still use those of this run.
#[derive(Default)]
struct Room {
    pages: VecDeque<OpenPage>,
    leases: BTreeMap<PageId, Weak<()>>,
}

struct OpenPage {
    id: PageId,
    key: PageKey,
    left: u32,
    lease: Lease,
}

/// Places reserved on a page.
#[derive(Debug)]
pub struct Places {
    /// The page.
    pub page: PageId,
    /// Its key.
    pub key: PageKey,
    /// How many records it may wrap.
    pub records: u32,
    /// To be held until the rows that use the places are on their way into the store.
    pub lease: Lease,
}

/// While one is held, rows may yet be written whose keys are wrapped by the page that it belongs to.
#[derive(Clone, Debug)]
pub struct Lease(Arc<()>);

/// Why keys could not be read or made. Never holds key material.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SecretsError {
    /// A file is gone.
    #[error("{0} is missing; restore it from its backup")]
    Missing(PathBuf),
    /// There are keys already.
    #[error("{0} is there already; keys are never overwritten, move it away if it is not in use")]
    Exists(PathBuf),
    /// A file is not what was written.
    #[error("{path} can't be read: {what}; restore it from its backup")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The keyring is wrapped by a key that `kek` does not hold.
    #[error("{path} is wrapped by the key-encryption key {id}, which {KEK} does not hold; restore that one")]
    NoKek {
        /// The keyring.
        path: PathBuf,
        /// The missing key's id.
        id: String,
    },
    /// The active key of `kek` is not among its keys.
    #[error("{KEK} does not hold the key that it calls active; restore it from its backup")]
    NoActiveKek,
    /// Others than the owner may read or change a file.
    #[error(
        "{0} is open to others than its owner; make sure that nobody else has read it, then `chmod 600` it"
    )]
    Exposed(PathBuf),
    /// A key in the keyring does not open.
    #[error("{path} does not open under its key-encryption key; restore both from one backup")]
    Unwrap {
        /// The keyring.
        path: PathBuf,
    },
    /// What is to be created is no origin or no signing key.
    #[error("keys need an origin of 1 to 255 bytes and at least one signing key, a private note a line")]
    Invalid,
    /// More record keys than one reservation gives.
    #[error("{0} records are more than {RESERVATION_RECORDS_MAX} in one reservation; reserve in parts")]
    TooMany(u32),
    /// The keyring is full.
    #[error("the keyring is full; start a new log")]
    Exhausted,
    /// The system has no randomness.
    #[error("the system gives no randomness: {0}")]
    Random(#[from] getrandom::Error),
    /// The file system refused.
    #[error("{path}: {source}; check that the directory is writable and the disk not full")]
    Io {
        /// What was touched.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl PartialEq for Lease {
    /// Whether they are of one page and run.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Lease {}

impl LogKeys {
    /// Creates the directory `dir` with the given signing keys, a fresh key-encryption key and a fresh keyring, for the
    /// log with this origin.
    ///
    /// A crash leaves no directory, or a whole one. So keys may be there of a log whose creation got no further: they
    /// were never used, and opening them is as good as creating them.
    ///
    /// # Errors
    /// [`SecretsError::Exists`] if `dir` is there; [`SecretsError::Invalid`] for what is no origin or private note.
    pub fn create(dir: &Path, origin: &str, signing: &[Zeroizing<String>]) -> Result<Self, SecretsError> {
        if cairnlog_verify::name::check_origin(origin).is_err()
            || signing.is_empty()
            || !signing.iter().all(is_note)
        {
            return Err(SecretsError::Invalid);
        }
        let name = dir.file_name().and_then(|name| name.to_str()).ok_or(SecretsError::Invalid)?;
        if dir.try_exists().map_err(at(dir))? {
            return Err(SecretsError::Exists(dir.to_path_buf()));
        }
        let staging = dir.with_file_name(format!(".{name}.new"));
        if staging.try_exists().map_err(at(&staging))? {
            fs::remove_dir_all(&staging).map_err(at(&staging))?;
        }
        durable::create_dir(&staging).map_err(at(&staging))?;

        let kek = Kek::generate()?;
        let wrapping = Wrapping { kek: &kek, origin };
        let keyring = Keyring::generate(wrapping)?;
        write(&staging.join(SIGNING), join_lines(signing).as_bytes())?;
        write(&staging.join(KEK), kek.render().as_bytes())?;
        write(&staging.join(KEYRING), keyring.render(wrapping).as_bytes())?;
        fs::rename(&staging, dir).map_err(at(dir))?;
        durable::sync_parent(dir).map_err(at(dir))?;
        Ok(Self::new(dir, origin, signing.to_vec(), kek, keyring))
    }

    /// Opens the keys in `dir` of the log with this origin.
    ///
    /// # Errors
    /// [`SecretsError`], naming the file that is missing, malformed or does not open.
    pub fn open(dir: &Path, origin: &str) -> Result<Self, SecretsError> {
        let signing = read_signing(&dir.join(SIGNING))?;
        let kek = Kek::read(&dir.join(KEK))?;
        let keyring = Keyring::read(&dir.join(KEYRING), Wrapping { kek: &kek, origin })?;
        Ok(Self::new(dir, origin, signing, kek, keyring))
    }

    /// The signing keys, each a C2SP private note.
    #[must_use]
    pub fn signing(&self) -> Arc<[Zeroizing<String>]> {
        Arc::clone(&self.signing.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps these signing keys and no others. Durable when it returns; those that are left out are gone. When it fails
    /// either may be on disk.
    ///
    /// # Errors
    /// [`SecretsError`].
    pub fn set_signing(&self, notes: &[Zeroizing<String>]) -> Result<(), SecretsError> {
        if notes.is_empty() || !notes.iter().all(is_note) {
            return Err(SecretsError::Invalid);
        }
        let _writing = self.room();
        write(&self.dir.join(SIGNING), join_lines(notes).as_bytes())?;
        *self.signing.write().unwrap_or_else(PoisonError::into_inner) = notes.into();
        Ok(())
    }

    /// How often the keyring has been written, for backups to compare.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.shown().epoch()
    }

    /// Reserves places for so many record keys. Places that are not used are lost. Durable when it returns; writes the keyring once in 65,536 records.
    ///
    /// # Errors
    /// [`SecretsError`]; then nothing is reserved. At most
    /// [`RESERVATION_RECORDS_MAX`](crate::limits::RESERVATION_RECORDS_MAX) at once.
    pub fn page_for(&self, records: u32) -> Result<Vec<Places>, SecretsError> {
        if records > RESERVATION_RECORDS_MAX {
            return Err(SecretsError::TooMany(records));
        }
        let mut room = self.room();
        let left: u32 = room.pages.iter().map(|page| page.left).sum();
        if left < records {
            let made = self.change(&room, |keyring, wrapping| keyring.add_pages(PAGE_BLOCK, wrapping))?;
            for (id, key) in made {
                let lease = Lease(Arc::default());
                room.leases.insert(id, Arc::downgrade(&lease.0));
                room.pages.push_back(OpenPage { id, key: PageKey::new(key), left: PAGE_RECORDS_MAX, lease });
            }
        }
        let mut wanted = records;
        let mut reserved = Vec::new();
        while wanted > 0 {
            let page = room.pages.front_mut().ok_or(SecretsError::Exhausted)?;
            let taken = wanted.min(page.left);
            let (key, lease) = (page.key.clone(), page.lease.clone());
            reserved.push(Places { page: page.id, key, records: taken, lease });
            wanted -= taken;
            page.left -= taken;
            if page.left == 0 {
                room.pages.pop_front();
            }
        }
        Ok(reserved)
    }

    /// The page key with this id; `None` if it was destroyed or never made.
    #[must_use]
    pub fn page(&self, id: PageId) -> Option<PageKey> {
        self.shown().page(id).cloned().map(PageKey::new)
    }

    /// Lets nobody reserve places of these pages any more. Places that were reserved may still be used:
    /// [`is_leased`](Self::is_leased) tells.
    pub fn retire(&self, pages: &BTreeSet<PageId>) {
        self.room().pages.retain(|page| !pages.contains(&page.id));
    }

    /// Whether a place of one of these pages is reserved, or can be, and may yet be used.
    #[must_use]
    pub fn is_leased(&self, pages: &BTreeSet<PageId>) -> bool {
        let mut room = self.room();
        room.leases.retain(|_, lease| lease.strong_count() > 0);
        pages.iter().any(|page| room.leases.contains_key(page))
    }

    /// Destroys these pages: no copy of a row that one of them wraps opens from now on. Durable when it returns.
    ///
    /// The caller has made sure that nothing is to be read that they wrap, and nothing will be: see
    /// [`retire`](Self::retire).
    ///
    /// # Errors
    /// [`SecretsError`]; then all of them may still be there.
    ///
    /// # Panics
    /// If one of them is leased.
    pub fn destroy_pages(&self, pages: &BTreeSet<PageId>) -> Result<(), SecretsError> {
        assert!(!self.is_leased(pages), "a page that may yet be used can't be destroyed");
        let room = self.room();
        if pages.iter().all(|page| self.shown().page(*page).is_none()) {
            return Ok(());
        }
        self.change(&room, |keyring, _| {
            keyring.remove_pages(pages);
            Ok(())
        })
    }

    /// Destroys the index keys of these months: nobody can tell any more what a token of theirs stood for. Durable when
    /// it returns.
    ///
    /// # Errors
    /// [`SecretsError`]; then all of them may still be there.
    pub fn destroy_index_keys(&self, months: &BTreeSet<Month>) -> Result<(), SecretsError> {
        let room = self.room();
        if months.iter().all(|month| self.shown().index(*month).is_none()) {
            return Ok(());
        }
        self.change(&room, |keyring, _| {
            keyring.remove_index(months);
            Ok(())
        })
    }

    /// The index key of a month of receipt, made if there is none.
    ///
    /// # Errors
    /// [`SecretsError`].
    pub fn index_key(&self, month: Month) -> Result<SecretKey, SecretsError> {
        self.find_or_make(
            |keyring| keyring.index(month),
            |keyring, wrapping| keyring.add_index(month, wrapping),
        )
    }

    /// The index key of a month, if there is one: without it no posting of that month exists.
    #[must_use]
    pub fn existing_index_key(&self, month: Month) -> Option<SecretKey> {
        self.shown().index(month).cloned()
    }

    /// The months that have an index key, ascending: those in which anything was received.
    #[must_use]
    pub fn index_months(&self) -> Vec<Month> {
        self.shown().index_months().collect()
    }

    /// The window key of a day (days since 1970, [`day_of`]), made if there is none. Making one destroys those of days
    /// more than [`WINDOW_DAYS_KEPT`](crate::limits::WINDOW_DAYS_KEPT) before it.
    ///
    /// # Errors
    /// [`SecretsError`].
    pub fn window_key(&self, day: u32) -> Result<SecretKey, SecretsError> {
        self.find_or_make(
            |keyring| keyring.window(day),
            |keyring, wrapping| keyring.add_window(day, wrapping),
        )
    }

    /// The window key of a day, if there is one: without it no `seen` row of that day can be found.
    #[must_use]
    pub fn existing_window_key(&self, day: u32) -> Option<SecretKey> {
        self.shown().window(day).cloned()
    }

    /// The key of the log's pseudonyms.
    #[must_use]
    pub fn pseudonym_key(&self) -> SecretKey {
        self.shown().pseudonym().clone()
    }

    fn new(dir: &Path, origin: &str, signing: Vec<Zeroizing<String>>, kek: Kek, keyring: Keyring) -> Self {
        Self {
            dir: dir.to_path_buf(),
            origin: origin.to_owned(),
            signing: RwLock::new(signing.into()),
            kek,
            shown: RwLock::new(Arc::new(keyring)),
            room: Mutex::default(),
        }
    }

    fn find_or_make(
        &self,
        find: impl Fn(&Keyring) -> Option<&SecretKey>,
        make: impl FnOnce(&mut Keyring, Wrapping<'_>) -> Result<SecretKey, SecretsError>,
    ) -> Result<SecretKey, SecretsError> {
        if let Some(key) = find(&self.shown()) {
            return Ok(key.clone());
        }
        let room = self.room();
        // Another may have made it while this one waited.
        if let Some(key) = find(&self.shown()) {
            return Ok(key.clone());
        }
        self.change(&room, make)
    }

    /// Changes a copy of the keyring, writes it, and shows it to readers only then. The guard proves that nobody else
    /// writes. When the write fails the new file may be there all the same; no key in it was handed out, and the next
    /// write replaces it.
    fn change<T>(
        &self,
        _writing: &MutexGuard<'_, Room>,
        change: impl FnOnce(&mut Keyring, Wrapping<'_>) -> Result<T, SecretsError>,
    ) -> Result<T, SecretsError> {
        let wrapping = Wrapping { kek: &self.kek, origin: &self.origin };
        let mut keyring = Keyring::clone(&self.shown());
        let made = change(&mut keyring, wrapping)?;
        keyring.next_epoch()?;
        write(&self.dir.join(KEYRING), keyring.render(wrapping).as_bytes())?;
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keyring);
        Ok(made)
    }

    fn shown(&self) -> Arc<Keyring> {
        Arc::clone(&self.shown.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for LogKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogKeys")
            .field("dir", &self.dir)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

fn read_signing(path: &Path) -> Result<Vec<Zeroizing<String>>, SecretsError> {
    let text = read(path, SMALL_FILE_BYTES_MAX)?;
    let notes: Vec<_> = text.lines().map(|line| Zeroizing::new(line.to_owned())).collect();
    let is_whole = text.ends_with('\n') && notes.iter().all(|note| note.starts_with(PRIVATE_NOTE));
    if notes.is_empty() || !is_whole {
        let what = format!("it is not one {PRIVATE_NOTE}… a line");
        return Err(SecretsError::Malformed { path: path.to_path_buf(), what });
    }
    Ok(notes)
}

fn is_note(note: &Zeroizing<String>) -> bool {
    note.starts_with(PRIVATE_NOTE) && !note.contains('\n')
}

fn join_lines(notes: &[Zeroizing<String>]) -> Zeroizing<String> {
    let bytes = notes.iter().map(|note| note.len() + 1).sum();
    let mut text = Zeroizing::new(String::with_capacity(bytes));
    for note in notes {
        text.push_str(note);
        text.push('\n');
    }
    text
}

fn read(path: &Path, max: u64) -> Result<Zeroizing<String>, SecretsError> {
    if fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0) {
        return Err(SecretsError::Exposed(path.to_path_buf()));
    }
    durable::read(path, max).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => SecretsError::Missing(path.to_path_buf()),
        io::ErrorKind::InvalidData => {
            SecretsError::Malformed { path: path.to_path_buf(), what: "it is no text".into() }
        }
        _ => at(path)(source),
    })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), SecretsError> {
    durable::write(path, bytes).map_err(at(path))
}

fn at(path: &Path) -> impl Fn(io::Error) -> SecretsError {
    move |source| SecretsError::Io { path: path.to_path_buf(), source }
}

//! The keys of a log, kept beside the engine: whoever has the engine's files alone opens nothing, and a key that is
//! destroyed here is gone from every copy of those files.
//!
//! A directory holds three files, each 0600 and each replaced as a whole:
//!
//! - `signing`: the log's signing keys, C2SP private notes (`PRIVATE+KEY+…`), one a line.
//! - `kek`: key-encryption keys by id, in the clear; not there where the environment or a PKCS#11 token has them.
//! - `keyring`: page, index, window and pseudonym keys, wrapped by the key-encryption key.
//!
//! Another key-encryption key takes over in three steps, each durable before the next: it is there to be read, the keyring
//! is wrapped anew and replaced, and the one before is removed from `kek`. A crash in between leaves a keyring that opens,
//! and the next start takes the steps that are left.
//!
//! All keys are random and independent. `docs/storage.md` has the formats and says who is trusted with what.
//!
//! Pages after a restart: which of a page's 4,096 places were used is known to memory alone. So all pages that exist when
//! the keys are opened count as full, and the first reservation makes new ones. A restart wastes at most 15 unused pages
//! and part of another, some 95 bytes each; nothing has to be written when a page is handed out.

mod copies;
mod error;
mod files;
mod kek;
mod key;
mod keyring;
mod month;
mod wrapped;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use zeroize::Zeroizing;

pub use self::copies::{
    KeyringHead, copy_keyring, restore_kek, restore_keyring, restore_signing, secrets_in,
};
pub use self::error::SecretsError;
pub use self::kek::{EnvironmentKeks, KekSource, KekSources, TokenKeks, TokenSettings};
pub use self::key::{PageId, PageKey, SecretKey};
pub use self::month::{Month, MonthError, day_of};

use self::files::{KEK, KEYRING, SIGNING, at, is_note, join_lines, keks_of, read_signing, write};
use self::kek::Keks;
use self::keyring::{Keyring, KeyringFile, Wrapping};
use crate::durable;
use crate::limits::{PAGE_BLOCK, PAGE_RECORDS_MAX, RESERVATION_RECORDS_MAX, SMALL_FILE_BYTES_MAX};

/// The keys of one log. Reads are cheap and never wait for the disk; what makes a key blocks on it, and whatever such a
/// call answers is durable.
pub struct LogKeys {
    dir: PathBuf,
    origin: String,
    signing: RwLock<Arc<[Zeroizing<String>]>>,
    /// The key-encryption key that wrapped the keyring when it was opened, if another one does since.
    wrapped_before: Option<String>,
    /// What readers see: the last keyring that is on disk. Held only to clone the pointer.
    shown: RwLock<Arc<Keyring>>,
    /// Held by who writes the keyring, across the write.
    room: Mutex<Room>,
}

/// What wraps, and the pages of this run with places left, the next to be used first, and who may still use those of this
/// run.
struct Room {
    keks: Keks,
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

/// Reads a small file that has to be its owner's alone, such as one with a PIN.
///
/// # Errors
/// [`SecretsError::Exposed`] if others may read or change it; [`SecretsError::Missing`], [`SecretsError::Io`].
pub fn read_private(path: &Path) -> Result<Zeroizing<String>, SecretsError> {
    files::read(path, SMALL_FILE_BYTES_MAX)
}

/// While one is held, rows may yet be written whose keys are wrapped by the page that it belongs to.
#[derive(Clone, Debug)]
pub struct Lease(Arc<()>);

impl PartialEq for Lease {
    /// Whether they are of one page and run.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Lease {}

impl LogKeys {
    /// Creates the directory `dir` with the given signing keys and a fresh keyring, for the log with this origin; where
    /// files are to have the key-encryption keys, with a fresh one of those.
    ///
    /// A crash leaves no directory, or a whole one. So keys may be there of a log whose creation got no further: they
    /// were never used, and opening them is as good as creating them.
    ///
    /// # Errors
    /// [`SecretsError::Exists`] if `dir` is there; [`SecretsError::Invalid`] for what is no origin or private note.
    pub fn create(
        dir: &Path,
        origin: &str,
        signing: &[Zeroizing<String>],
        sources: &KekSources,
    ) -> Result<Self, SecretsError> {
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

        let keks = Keks::generate(dir.join(KEK), sources.clone())?;
        let keyring = Keyring::generate(Wrapping { keks: &keks, origin })?;
        write(&staging.join(SIGNING), join_lines(signing).as_bytes())?;
        keks.write_into(&staging)?;
        write(&staging.join(KEYRING), keyring.render(origin).as_bytes())?;
        fs::rename(&staging, dir).map_err(at(dir))?;
        durable::sync_parent(dir).map_err(at(dir))?;
        Ok(Self::new(dir, origin, signing.to_vec(), keks, keyring))
    }

    /// Opens the keys in `dir` of the log with this origin. Where another key-encryption key is to wrap the keyring than
    /// the one that does, it is wrapped anew, and keys in `kek` that wrap nothing any more are removed.
    ///
    /// # Errors
    /// [`SecretsError`], naming the file that is missing, malformed or does not open.
    pub fn open(dir: &Path, origin: &str, sources: &KekSources) -> Result<Self, SecretsError> {
        let signing = read_signing(&dir.join(SIGNING))?;
        let mut keks = Keks::read(dir.join(KEK), sources.clone())?;
        let path = dir.join(KEYRING);
        let file = KeyringFile::read(&path, origin)?;
        keks.require(file.kek(), &path)?;
        let keyring = Keyring::open(file, Wrapping { keks: &keks, origin })?;
        let keyring = keyring.ok_or(SecretsError::Unwrap { path })?;
        keks.require_active()?;
        let before = keyring.kek().to_owned();
        let mut opened = Self::new(dir, origin, signing, keks, keyring);
        opened.wrap_anew(&mut opened.room())?;
        opened.wrapped_before = (before != opened.kek()).then_some(before);
        Ok(opened)
    }

    /// The signing keys in `dir`, each a C2SP private note, for who needs no others: nothing else is read.
    ///
    /// # Errors
    /// [`SecretsError`].
    pub fn signing_in(dir: &Path) -> Result<Vec<Zeroizing<String>>, SecretsError> {
        read_signing(&dir.join(SIGNING))
    }

    /// The id of the key-encryption key that the keyring is wrapped by.
    #[must_use]
    pub fn kek(&self) -> String {
        self.shown().kek().to_owned()
    }

    /// The id of the key-encryption key that wrapped the keyring when it was opened, if it was wrapped anew then.
    #[must_use]
    pub fn wrapped_before(&self) -> Option<&str> {
        self.wrapped_before.as_deref()
    }

    /// Refuses where the key-encryption key is not in a file, so that no fresh one can be made here.
    ///
    /// # Errors
    /// [`SecretsError::RotatedElsewhere`].
    pub fn check_kek_is_in_file(&self) -> Result<(), SecretsError> {
        self.room().keks.check_is_in_file()
    }

    /// Makes a fresh key-encryption key, wraps the keyring anew and removes the key before from `kek`. Readers do not wait;
    /// who makes keys does. Durable when it returns.
    ///
    /// # Errors
    /// [`SecretsError::RotatedElsewhere`] where the key-encryption key is not in a file; else [`SecretsError`], and then
    /// the keyring is wrapped by the key before or by a fresh one, and opens all the same.
    pub fn rotate_kek(&self) -> Result<(), SecretsError> {
        let mut room = self.room();
        room.keks.renew()?;
        self.wrap_anew(&mut room)
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

    /// Makes sure that no page up to this one is ever given again, for the store has rows of it: an older copy of the keyring
    /// was put back, which does not know of it. Durable when it returns.
    ///
    /// # Errors
    /// [`SecretsError`].
    pub fn skip_pages(&self, last: PageId) -> Result<(), SecretsError> {
        let room = self.room();
        if self.shown().next_page() > last {
            return Ok(());
        }
        self.change(&room, |keyring, _| keyring.skip_pages(last))
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

    fn new(dir: &Path, origin: &str, signing: Vec<Zeroizing<String>>, keks: Keks, keyring: Keyring) -> Self {
        let room = Room { keks, pages: VecDeque::new(), leases: BTreeMap::new() };
        Self {
            dir: dir.to_path_buf(),
            origin: origin.to_owned(),
            signing: RwLock::new(signing.into()),
            wrapped_before: None,
            shown: RwLock::new(Arc::new(keyring)),
            room: Mutex::new(room),
        }
    }

    /// Wraps the keyring by the active key where another one does, then removes what wraps nothing any more.
    fn wrap_anew(&self, room: &mut MutexGuard<'_, Room>) -> Result<(), SecretsError> {
        if self.kek() != room.keks.active()? {
            self.change(room, |_, _| Ok(()))?;
        }
        let used = keks_of(&self.dir)?;
        used.map_or(Ok(()), |used| room.keks.forget_all_but(&used))
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

    /// Changes a copy of the keyring, writes it, and shows it to readers only then. All of it is wrapped by the active key
    /// then, also where an earlier attempt at that failed. The guard proves that nobody else writes. When the write fails the new file may be there all the same; no key in it was handed out, and the next
    /// write replaces it.
    fn change<T>(
        &self,
        writing: &MutexGuard<'_, Room>,
        change: impl FnOnce(&mut Keyring, Wrapping<'_>) -> Result<T, SecretsError>,
    ) -> Result<T, SecretsError> {
        let wrapping = Wrapping { keks: &writing.keks, origin: &self.origin };
        let mut keyring = Keyring::clone(&self.shown());
        keyring.rewrap(wrapping)?;
        let made = change(&mut keyring, wrapping)?;
        keyring.next_epoch()?;
        write(&self.dir.join(KEYRING), keyring.render(&self.origin).as_bytes())?;
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

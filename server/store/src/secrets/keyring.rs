//! The file `keyring`: page, index, window and pseudonym keys, each wrapped by the log's key-encryption key.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::SecretsError;
use super::copies::KeyringHead;
use super::files::read;
use super::kek::Keks;
use super::key::{PageId, SecretKey};
use super::month::Month;
use super::wrapped::Wrapped;
use crate::limits::{KEYRING_BYTES_MAX, PAGES_MAX, WINDOW_DAYS_KEPT};

/// The keyring in memory, opened. A value: it is cloned, changed, written and only then shown to readers.
#[derive(Clone)]
pub(super) struct Keyring {
    /// Counts the writes of the file.
    epoch: u64,
    /// The id of the key-encryption key that all of them are wrapped by.
    kek: String,
    /// The id of the next page to be made; ids of destroyed pages are not given again.
    next_page: PageId,
    pages: BTreeMap<PageId, Slot>,
    index: BTreeMap<Month, Slot>,
    window: BTreeMap<u32, Slot>,
    pseudonym: Slot,
}

/// A key and the form in which it stands in the file.
#[derive(Clone)]
struct Slot {
    key: SecretKey,
    wrapped: Wrapped,
}

/// The file's members. Wrapped keys are base64 of nonce \[12\] and ciphertext \[48\].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyringFile {
    v: u8,
    origin: String,
    epoch: u64,
    kek: String,
    next_page: PageId,
    pages: BTreeMap<PageId, Wrapped>,
    index: BTreeMap<Month, Wrapped>,
    window: BTreeMap<u32, Wrapped>,
    pseudonym: Wrapped,
}

/// Wraps keys for one log.
#[derive(Clone, Copy)]
pub(super) struct Wrapping<'a> {
    pub(super) keks: &'a Keks,
    pub(super) origin: &'a str,
}

/// What a key is for; stands in the authenticated data, so that no entry opens in another's place.
enum Purpose {
    Page(PageId),
    Index(Month),
    Window(u32),
    Pseudonym,
}

impl Keyring {
    /// A keyring with a pseudonym key and nothing else.
    pub(super) fn generate(wrapping: Wrapping<'_>) -> Result<Self, SecretsError> {
        Ok(Self {
            epoch: 1,
            kek: wrapping.keks.active()?.to_owned(),
            next_page: 1,
            pages: BTreeMap::new(),
            index: BTreeMap::new(),
            window: BTreeMap::new(),
            pseudonym: wrapping.fresh(&Purpose::Pseudonym)?,
        })
    }

    /// The file's text for this keyring.
    pub(super) fn render(&self, origin: &str) -> String {
        fn wrapped<K: Ord + Copy>(slots: &BTreeMap<K, Slot>) -> BTreeMap<K, Wrapped> {
            slots.iter().map(|(name, slot)| (*name, slot.wrapped)).collect()
        }
        let file = KeyringFile {
            v: 1,
            origin: origin.to_owned(),
            epoch: self.epoch,
            kek: self.kek.clone(),
            next_page: self.next_page,
            pages: wrapped(&self.pages),
            index: wrapped(&self.index),
            window: wrapped(&self.window),
            pseudonym: self.pseudonym.wrapped,
        };
        file.render()
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The id of the key-encryption key that it is wrapped by.
    pub(super) fn kek(&self) -> &str {
        &self.kek
    }

    pub(super) fn next_epoch(&mut self) -> Result<(), SecretsError> {
        self.epoch = self.epoch.checked_add(1).ok_or(SecretsError::Exhausted)?;
        Ok(())
    }

    /// Makes `count` pages and answers their ids and keys.
    pub(super) fn add_pages(
        &mut self,
        count: u32,
        wrapping: Wrapping<'_>,
    ) -> Result<Vec<(PageId, SecretKey)>, SecretsError> {
        let end = self.next_page.checked_add(count).ok_or(SecretsError::Exhausted)?;
        let mut made = Vec::new();
        for id in self.next_page..end {
            let slot = wrapping.fresh(&Purpose::Page(id))?;
            made.push((id, slot.key.clone()));
            self.pages.insert(id, slot);
        }
        if self.pages.len() > PAGES_MAX {
            return Err(SecretsError::Exhausted);
        }
        self.next_page = end;
        Ok(made)
    }

    /// Gives the pages up to this one to nobody.
    pub(super) fn skip_pages(&mut self, last: PageId) -> Result<(), SecretsError> {
        let next = last.checked_add(1).ok_or(SecretsError::Exhausted)?;
        self.next_page = self.next_page.max(next);
        Ok(())
    }

    pub(super) fn next_page(&self) -> PageId {
        self.next_page
    }

    pub(super) fn remove_pages(&mut self, pages: &BTreeSet<PageId>) {
        self.pages.retain(|id, _| !pages.contains(id));
    }

    pub(super) fn remove_index(&mut self, months: &BTreeSet<Month>) {
        self.index.retain(|month, _| !months.contains(month));
    }

    pub(super) fn add_index(
        &mut self,
        month: Month,
        wrapping: Wrapping<'_>,
    ) -> Result<SecretKey, SecretsError> {
        let slot = wrapping.fresh(&Purpose::Index(month))?;
        Ok(self.index.entry(month).insert_entry(slot).get().key.clone())
    }

    /// Makes the key of a day and destroys those that no window reaches any more.
    pub(super) fn add_window(&mut self, day: u32, wrapping: Wrapping<'_>) -> Result<SecretKey, SecretsError> {
        self.window.retain(|other, _| other.saturating_add(WINDOW_DAYS_KEPT) >= day);
        let slot = wrapping.fresh(&Purpose::Window(day))?;
        Ok(self.window.entry(day).insert_entry(slot).get().key.clone())
    }

    pub(super) fn page(&self, id: PageId) -> Option<&SecretKey> {
        self.pages.get(&id).map(|slot| &slot.key)
    }

    pub(super) fn index(&self, month: Month) -> Option<&SecretKey> {
        self.index.get(&month).map(|slot| &slot.key)
    }

    pub(super) fn index_months(&self) -> impl Iterator<Item = Month> {
        self.index.keys().copied()
    }

    pub(super) fn window(&self, day: u32) -> Option<&SecretKey> {
        self.window.get(&day).map(|slot| &slot.key)
    }

    pub(super) fn pseudonym(&self) -> &SecretKey {
        &self.pseudonym.key
    }

    /// Opens what a file holds; `None` if one of its keys does not open.
    pub(super) fn open(file: KeyringFile, wrapping: Wrapping<'_>) -> Result<Option<Self>, SecretsError> {
        fn opened<K: Ord>(
            wrapped: BTreeMap<K, Wrapped>,
            open: impl Fn(&K, Wrapped) -> Result<Option<Slot>, SecretsError>,
        ) -> Result<Option<BTreeMap<K, Slot>>, SecretsError> {
            let slot = |(name, wrapped)| open(&name, wrapped).map(|slot| slot.map(|slot| (name, slot)));
            wrapped.into_iter().map(slot).collect()
        }
        let open = |purpose: Purpose, wrapped: Wrapped| {
            let key = wrapping.keks.unwrap(&file.kek, &wrapping.context(&purpose), &wrapped)?;
            Ok(key.map(|key| Slot { key, wrapped }))
        };
        let pages = opened(file.pages, |id, wrapped| open(Purpose::Page(*id), wrapped))?;
        let index = opened(file.index, |month, wrapped| open(Purpose::Index(*month), wrapped))?;
        let window = opened(file.window, |day, wrapped| open(Purpose::Window(*day), wrapped))?;
        let pseudonym = open(Purpose::Pseudonym, file.pseudonym)?;
        let (Some(pages), Some(index), Some(window), Some(pseudonym)) = (pages, index, window, pseudonym)
        else {
            return Ok(None);
        };
        let (epoch, next_page) = (file.epoch, file.next_page);
        Ok(Some(Self { epoch, kek: file.kek, next_page, pages, index, window, pseudonym }))
    }

    /// Wraps every key anew where another key-encryption key than the active one wraps them: a file names one for all.
    pub(super) fn rewrap(&mut self, wrapping: Wrapping<'_>) -> Result<(), SecretsError> {
        let active = wrapping.keks.active()?;
        if self.kek == active {
            return Ok(());
        }
        let again = |purpose: Purpose, slot: &mut Slot| -> Result<(), SecretsError> {
            slot.wrapped = wrapping.wrap(&purpose, &slot.key)?;
            Ok(())
        };
        self.pages.iter_mut().try_for_each(|(id, slot)| again(Purpose::Page(*id), slot))?;
        self.index.iter_mut().try_for_each(|(month, slot)| again(Purpose::Index(*month), slot))?;
        self.window.iter_mut().try_for_each(|(day, slot)| again(Purpose::Window(*day), slot))?;
        again(Purpose::Pseudonym, &mut self.pseudonym)?;
        active.clone_into(&mut self.kek);
        Ok(())
    }
}

impl Wrapping<'_> {
    /// A fresh random key, wrapped for its purpose.
    fn fresh(self, purpose: &Purpose) -> Result<Slot, SecretsError> {
        let key = SecretKey::random()?;
        let wrapped = self.wrap(purpose, &key)?;
        Ok(Slot { key, wrapped })
    }

    fn wrap(self, purpose: &Purpose, key: &SecretKey) -> Result<Wrapped, SecretsError> {
        self.keks.wrap(&self.context(purpose), key)
    }

    /// `"cairnlog/keyring/v1\0" || origin || "\0" || purpose`. An origin has no zero byte, so this is unambiguous. The
    /// epoch is left out: who can put back one old entry can put back the whole old file.
    fn context(self, purpose: &Purpose) -> Vec<u8> {
        let purpose = match purpose {
            Purpose::Page(id) => format!("page:{id}"),
            Purpose::Index(month) => format!("index:{month}"),
            Purpose::Window(day) => format!("window:{day}"),
            Purpose::Pseudonym => "pseudonym".to_owned(),
        };
        format!("cairnlog/keyring/v1\0{}\0{purpose}", self.origin).into_bytes()
    }
}

impl KeyringFile {
    /// Reads the file of the log with this origin.
    pub(super) fn read(path: &Path, origin: &str) -> Result<Self, SecretsError> {
        let file = Self::parse(path)?;
        if file.origin != origin {
            let what = format!("it belongs to the log {}", file.origin);
            return Err(SecretsError::Malformed { path: path.to_path_buf(), what });
        }
        Ok(file)
    }

    /// Reads a file, of whatever log it is.
    pub(super) fn parse(path: &Path) -> Result<Self, SecretsError> {
        let text = read(path, KEYRING_BYTES_MAX)?;
        let malformed = |what: String| SecretsError::Malformed { path: path.to_path_buf(), what };
        let file: Self = serde_json::from_str(&text).map_err(|error| malformed(error.to_string()))?;
        if file.v != 1 {
            return Err(malformed(format!("version {} is unknown", file.v)));
        }
        if file.render() != *text {
            return Err(malformed("it was edited; only the exact form that was written is read".into()));
        }
        if file.pages.last_key_value().is_some_and(|(last, _)| *last >= file.next_page) || file.next_page == 0
        {
            return Err(malformed("its pages are beyond its next page".into()));
        }
        Ok(file)
    }

    /// The id of the key-encryption key that it is wrapped by.
    pub(super) fn kek(&self) -> &str {
        &self.kek
    }

    pub(super) fn head(&self) -> KeyringHead {
        KeyringHead { origin: self.origin.clone(), epoch: self.epoch, kek: self.kek.clone() }
    }

    fn render(&self) -> String {
        let mut text = serde_json::to_string(self).expect("numbers and strings are always JSON");
        text.push('\n');
        text
    }
}

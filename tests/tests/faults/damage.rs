//! A closed data directory is damaged or put back. The server then refuses to start and says what is wrong, or what it
//! serves verifies; a monitor notices every step back.

use std::path::{Path, PathBuf};

use cairnlog_store::rocks::RocksEngine;
use cairnlog_store::{Batch, Engine as _, Family, layout};
use cairnlog_tests::{Refusal, paths};

use crate::monitor::Alarm;
use crate::random::Random;
use crate::world::World;

/// The id of the first log.
const ID: u32 = 1;

/// A stopped server whose log has several full tiles, the older part of them in SSTs and the newest in the write-ahead
/// log.
async fn stopped() -> World {
    let mut world = World::start().await;
    while world.check().await.expect("no fault") < 800 {
        world.write(20).await;
    }
    world.server.stop();
    world.server.restart();
    world.write(8).await;
    world.check_all().await;
    world.server.kill();
    world
}

/// How a start on a damaged directory ends.
#[derive(Debug)]
pub(crate) enum End {
    Refused(Refusal),
    /// It serves, and a monitor found nothing wrong.
    Whole,
    /// It serves, and a monitor raised this.
    Raised(Alarm),
}

/// Starts on what is there, looks at everything, and stops.
pub(crate) async fn start(world: &mut World) -> End {
    if let Err(refusal) = world.server.try_restart() {
        assert_eq!(refusal.code, Some(3), "{refusal:?}");
        let line = refusal.stderr.lines().last().unwrap_or_default();
        assert!(line.starts_with("cairnlog: "), "{refusal:?}");
        return End::Refused(refusal);
    }
    let looked = match world.check().await {
        Ok(_) => world.monitor.audit(&world.server).await,
        Err(alarm) => Err(alarm),
    };
    world.server.kill();
    looked.map_or_else(End::Raised, |()| End::Whole)
}

/// It refuses, and names the store's directory, or the directory of the kept heads where those tell.
fn check_named(world: &World, end: &End, what: &str) {
    let End::Refused(refusal) = end else { panic!("{what}: no refusal: {end:?}") };
    let line = refusal.stderr.lines().last().unwrap_or_default();
    let named = ["db", "heads"].map(|name| world.server.data().join(name));
    assert!(named.iter().any(|path| line.contains(path.to_str().expect("UTF-8"))), "{what}: {refusal:?}");
}

pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::remove_dir_all(to).ok();
    for file in paths::files(from) {
        let target = to.join(file.strip_prefix(from).expect("below it"));
        std::fs::create_dir_all(target.parent().expect("a directory"))
            .expect("a directory of the test's own");
        std::fs::copy(&file, &target).expect("a file of the test's own");
    }
}

/// The files of the store of this kind, the largest last.
fn files(world: &World, is: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let mut files = paths::files(&world.server.data().join("db"));
    files.retain(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(&is));
    files.sort_by_key(|path| std::fs::metadata(path).expect("a file").len());
    files
}

/// A kind of file of the store: what it is called, and whether a name is of that kind.
type Kind = (&'static str, fn(&str) -> bool);

const KINDS: [Kind; 3] = [("SST", is_sst), ("WAL", is_wal), ("MANIFEST", is_manifest)];

fn is_sst(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "sst")
}

fn is_wal(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "log")
}

fn is_manifest(name: &str) -> bool {
    name.starts_with("MANIFEST")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_flipped_bit_is_refused_or_harms_nothing() {
    let mut random = Random::seeded();
    let mut world = stopped().await;
    let (db, whole) = (world.server.data().join("db"), world.server.aside());
    copy(&db, &whole);
    let mut noticed = 0;
    for (kind, is) in KINDS {
        for turn in 0..4 {
            copy(&whole, &db);
            let files = files(&world, is);
            let path = files.iter().nth_back(turn % files.len()).expect("a file of that kind");
            let mut bytes = std::fs::read(path).expect("a file");
            let bit = random.below(bytes.len() as u64 * 8);
            bytes[usize::try_from(bit / 8).expect("fits")] ^= 1 << (bit % 8);
            std::fs::write(path, bytes).expect("a file of the test's own");
            let end = start(&mut world).await;
            let what = format!("{kind}, bit {bit} of {}", path.display());
            match &end {
                End::Refused(_) => check_named(&world, &end, &what),
                // Damage that is met in reading is an answer without data, never other data.
                End::Raised(Alarm::NotServed(_)) => {}
                // The bit is in a part that holds no row of the tree, or in the record that a crash may leave cut short.
                End::Whole => continue,
                End::Raised(alarm) => panic!("{what}: {alarm:?}"),
            }
            noticed += 1;
        }
    }
    assert!(noticed > 0, "no flipped bit was noticed");
    copy(&whole, &db);
    world.server.restart();
    world.check_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_truncated_file_is_refused_and_named() {
    let mut world = stopped().await;
    let (db, whole) = (world.server.data().join("db"), world.server.aside());
    copy(&db, &whole);
    for (kind, is) in KINDS {
        copy(&whole, &db);
        let path = files(&world, is).pop().expect("a file of that kind");
        let length = std::fs::metadata(&path).expect("a file").len();
        let file = std::fs::OpenOptions::new().write(true).open(&path).expect("a file of the test's own");
        file.set_len(length / 2).expect("shorter");
        let end = start(&mut world).await;
        match end {
            End::Refused(_) => check_named(&world, &end, kind),
            // A write-ahead log that lost its end can't be told from one that a crash cut short: whoever saw the head
            // tells.
            End::Raised(Alarm::RolledBack { .. }) => assert_eq!(kind, "WAL"),
            other => panic!("{kind}: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_without_its_files_is_refused() {
    let mut world = stopped().await;
    let (db, whole) = (world.server.data().join("db"), world.server.aside());
    copy(&db, &whole);
    std::fs::remove_dir_all(&db).expect("a directory of the test's own");
    let end = start(&mut world).await;
    check_named(&world, &end, "no directory");
    std::fs::create_dir(&db).expect("a directory of the test's own");
    let end = start(&mut world).await;
    check_named(&world, &end, "an empty directory");
    let needed: [Kind; 3] =
        [("SST", is_sst), ("MANIFEST", is_manifest), ("CURRENT", |name| name == "CURRENT")];
    for (kind, is) in needed {
        copy(&whole, &db);
        let path = files(&world, is).pop().expect("a file of that kind");
        std::fs::remove_file(path).expect("a file of the test's own");
        let end = start(&mut world).await;
        check_named(&world, &end, kind);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn swapped_records_are_never_served() {
    let mut world = stopped().await;
    let size = world.monitor.size();
    for (left, right) in [(17, 300), (3, 4), (255, 256), (size - 2, size - 1)] {
        swap(world.server.data(), left, right).await;
        let end = start(&mut world).await;
        let at_the_edge = size - size % 256 <= right;
        match &end {
            End::Refused(refusal) if at_the_edge => {
                assert!(refusal.stderr.contains("web"), "{refusal:?}");
            }
            End::Raised(Alarm::NotServed(_)) if !at_the_edge => {}
            other => panic!("{left} and {right}: {other:?}"),
        }
        swap(world.server.data(), left, right).await;
    }
    world.server.restart();
    world.check_all().await;
}

/// Swaps two entries of the first log in the closed store.
pub(crate) async fn swap(data: &Path, left: u64, right: u64) {
    let engine = RocksEngine::open(&data.join("db")).expect("a closed store");
    let writer = engine.claim().await.expect("a claim");
    let keys = [left, right].map(|index| layout::entry_key(ID, index));
    let mut batch = Batch::new();
    for (from, to) in [(0, 1), (1, 0)] {
        let entry = engine.get(Family::Entries, &keys[from]).await.expect("readable").expect("an entry");
        batch.put(Family::Entries, keys[to].clone(), entry);
    }
    engine.commit(&writer, batch).await.expect("a commit");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_older_copy_of_the_whole_directory_is_noticed_by_who_saw_the_newer_head() {
    let mut world = stopped().await;
    let (data, older) = (world.server.data().to_path_buf(), world.server.aside());
    copy(&data, &older);
    let had = world.monitor.size();
    world.server.restart();
    world.write(8).await;
    let newest = world.check().await.expect("no fault");
    world.server.stop();
    copy(&data, &older.with_extension("newest"));
    copy(&older, &data);
    // Nothing on this machine knows better, so it starts; with the heads on another volume it does not (`restored.rs`).
    let end = start(&mut world).await;
    assert!(
        matches!(end, End::Raised(Alarm::RolledBack { had: seen, now }) if seen == newest && now == had),
        "{end:?}"
    );
    // The newest backup put back is whole.
    copy(&older.with_extension("newest"), &data);
    assert!(matches!(start(&mut world).await, End::Whole));
    world.server.restart();
    assert!(world.write_once().await);
    world.check_all().await;
}

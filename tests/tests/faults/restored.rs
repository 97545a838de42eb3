//! Copies of a data directory put back. The head that is kept outside the store tells an older one; where nothing on the
//! machine knows better, a monitor does.

use std::path::{Path, PathBuf};
use std::process::Command;

use cairnlog_tests::{Refusal, paths};
use serde_json::Value;

use crate::damage::{End, copy, start};
use crate::world::World;

/// Lets the log grow, and copies the directory of the stopped server; the copy, and the log's size.
async fn copied(world: &mut World) -> (PathBuf, u64) {
    world.write(8).await;
    let size = world.check().await.expect("no fault");
    world.server.stop();
    let older = world.server.aside();
    copy(world.server.data(), &older);
    (older, size)
}

/// Starts the server again and lets the log grow on; its size when the server has stopped.
async fn grown(world: &mut World) -> u64 {
    world.server.restart();
    world.write(8).await;
    let size = world.check().await.expect("no fault");
    world.server.stop();
    size
}

/// It is refused in one line, which names the kept head and both sizes.
fn check_refused(end: &End, kept: &Path, sizes: [u64; 2]) {
    let End::Refused(Refusal { stderr, .. }) = end else { panic!("no refusal: {end:?}") };
    let said: Vec<&str> = stderr.lines().filter(|line| line.starts_with("cairnlog: ")).collect();
    let [line] = said[..] else { panic!("not one line: {stderr}") };
    assert!(line.contains(kept.to_str().expect("UTF-8")), "{line}");
    assert!(sizes.iter().all(|size| line.contains(&size.to_string())), "{line}, {sizes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_older_copy_of_the_whole_directory_is_refused_by_the_heads_on_another_volume() {
    let elsewhere = tempfile::tempdir().expect("a temporary directory");
    let heads = elsewhere.path().join("heads");
    let mut world = World::with_heads_in(&heads).await;
    let (older, had) = copied(&mut world).await;
    let newest = grown(&mut world).await;
    let data = world.server.data().to_path_buf();
    copy(&data, &older.with_extension("newest"));

    copy(&older, &data);
    assert!(!data.join("heads").exists(), "the copy has no heads of its own");
    let end = start(&mut world).await;
    check_refused(&end, &heads.join("web"), [had, newest]);
    copy(&older.with_extension("newest"), &data);
    let end = start(&mut world).await;
    assert!(matches!(end, End::Whole), "the newest one is no older copy: {end:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_older_copy_of_the_store_alone_is_refused_by_the_heads_beside_it() {
    let mut world = World::opaque().await;
    let (older, had) = copied(&mut world).await;
    let newest = grown(&mut world).await;
    let data = world.server.data().to_path_buf();
    copy(&older.join("db"), &data.join("db"));
    let end = start(&mut world).await;
    check_refused(&end, &data.join("heads/web"), [had, newest]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_backup_of_a_stopped_directory_goes_on_where_it_was_taken() {
    let elsewhere = tempfile::tempdir().expect("a temporary directory");
    let mut world = World::with_heads_in(&elsewhere.path().join("heads")).await;
    let (backup, size) = copied(&mut world).await;
    std::fs::remove_dir_all(world.server.data()).expect("a directory of the test's own");
    copy(&backup, world.server.data());
    world.server.restart();
    // All that was acknowledged is there, and the same tree grows on.
    assert_eq!(world.check().await.expect("no fault"), size);
    world.write(8).await;
    world.check_all().await;
    world.server.kill();
    world.server.restart();
    assert!(world.write_once().await);
    world.check_all().await;
}

/// `cairnlog monitor --once`: its exit code and what it printed.
fn look(world: &World, state: &Path) -> (Option<i32>, Value) {
    let url = format!("{}/logs/web", world.server.url());
    let ran = Command::new(paths::binary())
        .args(["monitor", &url, "--key", world.monitor.vkey(), "--once", "--output", "json", "--state"])
        .arg(state)
        .env_clear()
        .output()
        .expect("the binary runs");
    let stderr = String::from_utf8_lossy(&ran.stderr);
    let told = serde_json::from_slice(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"));
    (ran.status.code(), told)
}

/// The head that is served now.
async fn served(world: &World) -> Vec<u8> {
    let note = world.log().tiles().checkpoint().await.expect("a head");
    note.into_bytes()
}

/// Exit 1, the verdict, and both heads as evidence; the state is the head that was kept.
async fn check_convicted(world: &World, state: &Path, kept: &[u8], verdict: &str) {
    let (code, told) = look(world, state);
    assert_eq!((code, &told["verdict"]), (Some(1), &verdict.into()), "{told}");
    let paths = told["evidence"].as_array().expect("evidence").iter();
    let evidence: Vec<Vec<u8>> =
        paths.map(|path| std::fs::read(path.as_str().expect("a path")).expect("a file")).collect();
    assert_eq!(evidence, [kept.to_vec(), served(world).await]);
    assert_eq!(std::fs::read(state).expect("the state"), kept);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_monitor_convicts_a_server_that_was_put_back_with_its_heads() {
    let elsewhere = tempfile::tempdir().expect("a temporary directory");
    let state = elsewhere.path().join("web.head");
    let mut world = World::opaque().await;
    world.write(8).await;
    assert_eq!(look(&world, &state).0, Some(0));
    let (older, had) = copied(&mut world).await;
    world.server.restart();
    world.write(8).await;
    let newest = world.check().await.expect("no fault");
    let (code, told) = look(&world, &state);
    assert_eq!((code, &told["verdict"], &told["tree_size"]), (Some(0), &"grown".into(), &newest.into()));
    let kept = served(&world).await;
    world.server.stop();

    copy(&older, world.server.data());
    world.server.restart();
    check_convicted(&world, &state, &kept, "rollback").await;
    // Once it has grown beyond what was seen, by other entries, it is a fork.
    while world.log().tree_head().await.expect("a head").tree_size <= newest {
        assert!(world.write_once().await);
    }
    check_convicted(&world, &state, &kept, "fork").await;
    assert!(had < newest);
}

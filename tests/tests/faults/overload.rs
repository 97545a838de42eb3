//! More than the server can hold, and its end while it is at work.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cairnlog_client::{ContentType, Ingest};
use cairnlog_tests::{ADMIN_TOKEN, Server, guests, http, pipelines, web};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::TcpStream;

use crate::inject::{Act, Fault};
use crate::world::World;

/// All bodies at once and one body, of `server/app/src/limits.rs`.
const BODIES_BYTES_MAX: usize = 256 << 20;
const BODY_BYTES_MAX: usize = 16 << 20;

/// A request whose body the server waits for.
struct Begun(BufStream<TcpStream>);

impl Begun {
    /// Announces `length` bytes of lines, and returns when the server asks for them: it has made room.
    async fn new(server: &Server, length: usize) -> Self {
        let address: SocketAddr =
            server.url().strip_prefix("http://").expect("plain HTTP").parse().expect("an address");
        let mut stream = BufStream::new(TcpStream::connect(address).await.expect("it listens"));
        let head = format!(
            "POST /api/v1/logs/web/sources/portal/events HTTP/1.1\r\nhost: {address}\r\n\
             authorization: Bearer {ADMIN_TOKEN}\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\n\
             expect: 100-continue\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.expect("sent");
        stream.flush().await.expect("sent");
        let mut begun = Self(stream);
        assert_eq!(begun.status().await, 100);
        begun
    }

    /// Sends a part of the body.
    async fn send(&mut self, part: &[u8]) {
        self.0.write_all(part).await.expect("sent");
        self.0.flush().await.expect("sent");
    }

    /// Sends the rest of the body; the status of the answer.
    async fn finish(mut self, body: &[u8]) -> u16 {
        self.send(body).await;
        self.status().await
    }

    /// Reads the head of an answer.
    async fn status(&mut self) -> u16 {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.expect("an answer"));
        }
        let head = String::from_utf8(head).expect("ASCII");
        head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_finds_no_room_is_told_when_to_come_again() {
    let mut world = World::start().await;
    let mut begun = Vec::new();
    for _ in 0..BODIES_BYTES_MAX / BODY_BYTES_MAX {
        let mut one = Begun::new(&world.server, BODY_BYTES_MAX).await;
        // Room doubles as a body arrives, so that one byte more than half a body has the room of a whole one.
        one.send(&vec![b'a'; BODY_BYTES_MAX / 2 + 1]).await;
        begun.push(one);
    }
    let full = format!("cairnlog_bodies_bytes {BODIES_BYTES_MAX}\n");
    while !world.metrics().await.contains(&full) {}
    let late = world.server.request(reqwest::Method::POST, "/api/v1/logs/web/sources/portal/events");
    let late =
        late.header("content-type", "text/plain").body(web::lines(0, 1)).send().await.expect("an answer");
    assert_eq!(late.headers()["retry-after"], "1");
    http::problem(late, 429, "queue-full").await;
    // What needs no room is answered as ever.
    world.check().await.expect("served");
    drop(begun);
    while !world.write_once().await {
        tokio::task::yield_now().await;
    }
    world.check_all().await;
}

/// More entries of the largest size than the queue of a log holds (`server/tlog/src/limits.rs`).
const ADDS: usize = 2_100;

/// A disk that takes its time: what was queued waits and is taken in the end, what finds no place is told to come again, and
/// readers notice nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_full_queue_refuses_what_comes_and_keeps_what_it_has() {
    let mut world = World::opaque().await;
    world.server.kill();
    world.start_with(Fault { act: Act::Hold, ops: "s", at: 1, count: 0 }).expect("nothing is held yet");
    let before = world.check().await.expect("no fault");
    let hold = Fault::hold(&world.report);
    std::fs::write(&hold, "").expect("a file of the test's own");
    let mut adds = tokio::task::JoinSet::new();
    for _ in 0..ADDS {
        let add = world.server.request(reqwest::Method::POST, "/logs/web/add");
        adds.spawn(add.body(vec![b'x'; 65_535]).send());
    }
    // Nothing that is taken is answered yet, so this is the first that was not.
    let refused = adds.join_next().await.expect("many").expect("no panic").expect("an answer");
    assert_eq!(refused.headers()["retry-after"], "1");
    http::problem(refused, 503, "queue-full").await;
    assert_eq!(world.check().await.expect("served"), before, "nothing is acknowledged before it is durable");

    std::fs::remove_file(&hold).expect("it is there");
    let mut taken = 0;
    for answered in adds.join_all().await {
        match answered.expect("an answer").status().as_u16() {
            200 => taken += 1,
            status => assert_eq!(status, 503),
        }
    }
    assert!(taken > 0);
    let size = world.check().await.expect("no fault");
    assert_eq!(size, before + taken, "what was taken is there, and no more");
    world.check_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sigterm_under_load_loses_nothing_that_was_acknowledged() {
    let mut world = World::start().await;
    let body = web::lines(0, 3);
    for answers in [1, 20] {
        let begun = Begun::new(&world.server, body.len()).await;
        let size = world.check().await.expect("no fault");
        world.write_and_terminate(answers).await;
        // It listens no more, and waits for the request under way.
        assert_eq!(begun.finish(body.as_bytes()).await, 201);
        assert_eq!(world.server.end(), Some(0));
        world.server.restart();
        assert!(world.check().await.expect("no fault") >= size + 3, "the last answer was kept");
    }
    world.check_all().await;
}

/// Requests to the source whose plugin never comes back, and those to another one meanwhile.
const STUCK: usize = 12;
const OTHERS: u64 = 100;

/// Each raw record's fuel lets it run for a good part of a second, on every core that it is given.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_plugin_that_never_comes_back_delays_no_other_source() {
    let server = Server::start();
    let client = server.client();
    let log = pipelines::log(&client, "web").await;
    pipelines::plain(&client, &log, "portal", "web-access").await;
    let stuck = client.upload_plugin(guests::stuck()).await.expect("it is a plugin").plugin.digest;
    let mut pipeline = pipelines::plain_json(&client, "web-access").await;
    pipeline["normalizer"] = serde_json::json!({"plugin": stuck.to_string()});
    let pipeline = serde_json::from_value(pipeline).expect("a pipeline");
    log.put_source("stuck", &pipeline).await.expect("a source");

    let answered = Arc::new(AtomicUsize::new(0));
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..STUCK {
        let (log, answered) = (log.clone(), Arc::clone(&answered));
        requests.spawn(async move {
            let body = vec![b'x'; 400 << 10];
            let answer = log.ingest("stuck", Ingest::new(ContentType::Bytes, body)).await.expect("an answer");
            answered.fetch_add(1, Ordering::SeqCst);
            answer
        });
    }
    for number in 0..OTHERS {
        let answer = log
            .ingest("portal", Ingest::new(ContentType::Text, web::lines(number, 1)))
            .await
            .expect("an answer");
        assert_eq!(answer.accepted, 1);
    }
    let meanwhile = answered.load(Ordering::SeqCst);
    assert!(
        meanwhile < STUCK,
        "{OTHERS} requests one after the other waited until all {STUCK} of the other source had spent their fuel"
    );
    println!("{OTHERS} requests were answered one after the other while {meanwhile} of {STUCK} were");
    for answer in requests.join_all().await {
        assert_eq!((answer.accepted, answer.quarantined), (0, 1));
        let reason = answer.results[0].reason.clone().expect("why");
        assert!(reason.starts_with("out-of-fuel"), "{reason}");
    }
}

//! What losing the keys means is said before it happens.

use cairnlog_tests::Server;

const WORDS: &str = "has lost every record of the log";

#[test]
fn a_new_server_says_once_where_its_keys_are_and_what_losing_them_means() {
    let mut server = Server::start();
    server.stop();
    let said = server.stderr();
    let said: Vec<&str> = said.lines().filter(|line| line.contains(WORDS)).collect();
    let [line] = said[..] else { panic!("not once: {said:?}") };
    let keys = server.data().join("keys");
    for part in [keys.to_str().unwrap(), "cairnlog backup", "docs/keys.md"] {
        assert!(line.contains(part), "no {part}: {line}");
    }
    server.restart();
    server.kill();
    server.restart();
    server.stop();
    assert_eq!(server.stderr().matches(WORDS).count(), 1);
}

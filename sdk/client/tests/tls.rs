//! `https://`: who vouches for a server's certificate, and what is said where nobody does.
//!
//! `SSL_CERT_FILE` is of a whole process, so each client is one: this test binary again, running [`client`] alone.

#![allow(clippy::unwrap_used)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use cairnlog_client::{Client, Error, Health, TransportKind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Where the address stands that [`client`] is to reach.
const ADDRESS: &str = "CAIRNLOG_TEST_ADDRESS";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls").join(name)
}

/// An `https://` server that is well; gives its port.
async fn serve() -> u16 {
    let chain = vec![CertificateDer::from_pem_file(fixture("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(fixture("server.key")).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that does not trust the certificate hangs up here.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") && stream.read_buf(&mut request).await.unwrap_or(0) > 0 {}
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
            let _ = stream.shutdown().await;
        }
    });
    port
}

/// What a client in a process of its own says, which trusts the authorities of that file.
async fn told(address: String, authorities: PathBuf) -> String {
    let ran = tokio::task::spawn_blocking(move || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "client", "--ignored", "--nocapture"])
            .env_remove("SSL_CERT_DIR")
            .env("SSL_CERT_FILE", authorities)
            .env(ADDRESS, address)
            .output()
            .unwrap()
    });
    let output = ran.await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
#[ignore = "run by the other tests, with an environment of its own"]
async fn client() {
    let Ok(address) = std::env::var(ADDRESS) else { return };
    let health = match Client::new(&address, None) {
        Ok(client) => client.health().await,
        Err(error) => Err(error),
    };
    match health {
        Ok(health) => println!("told: {health:?}"),
        Err(error @ Error::Transport { kind, .. }) => {
            println!("told: {kind:?} {} {error}", error.is_transient());
        }
        Err(error) => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn a_server_is_believed_by_the_authority_that_is_named_and_by_no_other() {
    let port = serve().await;
    let address = format!("https://127.0.0.1:{port}");
    let good = told(address.clone(), fixture("authority.pem")).await;
    assert!(good.contains(&format!("told: {:?}", Health::Good)), "{good}");
    // The server's own certificate vouches for nobody, nor does the authority for a name that is not in it.
    for (address, authorities) in
        [(address, "server.pem"), (format!("https://localhost:{port}"), "authority.pem")]
    {
        let refused = told(address, fixture(authorities)).await;
        let words = format!("told: {:?} false", TransportKind::Untrusted);
        assert!(refused.contains(&words) && refused.contains("SSL_CERT_FILE"), "{authorities}: {refused}");
    }
}

#[tokio::test]
async fn without_authorities_http_still_works_and_https_says_why_not() {
    let none = fixture("no-such-file.pem");
    let plain = support::Server::start(|_| support::Reply::ok("")).await;
    let good = told(plain.url.clone(), none.clone()).await;
    assert!(good.contains(&format!("told: {:?}", Health::Good)), "{good}");
    let refused = told("https://127.0.0.1:1".to_owned(), none).await;
    let words = format!("told: {:?} false", TransportKind::NoAuthorities);
    assert!(refused.contains(&words) && refused.contains("SSL_CERT_FILE"), "{refused}");
}

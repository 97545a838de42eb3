//! Where a command's server is, who asks, and which log is meant.

use cairnlog_client::{Client, Error, Log, Page, PageRequest, Secret, TileLog};
use cairnlog_ledger::CONTROL;
use clap::Args;
use reqwest::Url;

use super::exit::Failure;
use super::limits::LISTED_MAX;
use super::output::Output;
use crate::config;

const SERVER_DEFAULT: &str = "http://127.0.0.1:8080";

/// Options of every command that talks to a server.
#[derive(Args)]
pub(super) struct Connection {
    /// The server's address.
    #[arg(long, env = "CAIRNLOG_SERVER", default_value = SERVER_DEFAULT, value_name = "URL")]
    server: String,
    /// A token with the right role.
    #[arg(long, env = "CAIRNLOG_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: Option<String>,
    /// How results are printed.
    #[arg(long, value_enum, default_value = "table", value_name = "FORM")]
    pub(super) output: Output,
}

impl Connection {
    /// A client; nothing is sent yet.
    pub(super) fn client(&self) -> Result<Client, Failure> {
        Ok(Client::new(&self.server, secret(self.token.as_deref()).as_ref())?)
    }
}

/// An empty variable of the environment is none.
fn secret(token: Option<&str>) -> Option<Secret> {
    token.filter(|token| !token.is_empty()).map(Secret::new)
}

/// Who asks, in commands that take a log's monitoring prefix and not a server's address.
#[derive(Args)]
pub(super) struct Reader {
    /// A token of role monitor, which a private log needs. `CAIRNLOG_TOKEN` is used below `CAIRNLOG_SERVER` alone: other
    /// URLs are others' business.
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
}

impl Reader {
    /// The log at this prefix; nothing is sent yet.
    pub(super) fn tiles(&self, url: &str) -> Result<TileLog, Failure> {
        let token = self.token.clone().or_else(|| own_token(url, config::env));
        Ok(TileLog::new(url, secret(token.as_deref()).as_ref())?)
    }
}

/// The environment's token, for what is below the environment's server.
fn own_token(url: &str, env: impl Fn(&str) -> Option<String>) -> Option<String> {
    let server = env("CAIRNLOG_SERVER").unwrap_or_else(|| SERVER_DEFAULT.to_owned());
    env("CAIRNLOG_TOKEN").filter(|_| is_below(url, &server))
}

/// Whether one address is another one's or below it, as a client takes them: the same host and port, and a path that
/// goes on from the other's.
fn is_below(url: &str, server: &str) -> bool {
    let (Ok(url), Ok(server)) = (Url::parse(url), Url::parse(server)) else { return false };
    let path = format!("{}/", server.path().trim_end_matches('/'));
    server.has_host() && url.origin() == server.origin() && url.path().starts_with(&path)
}

/// The same for commands on one log.
#[derive(Args)]
pub(super) struct LogConnection {
    #[command(flatten)]
    pub(super) connection: Connection,
    /// The log. May be left out where the server has one only, besides its own log `control`.
    #[arg(long, value_name = "NAME")]
    log: Option<String>,
}

impl LogConnection {
    /// The log that is meant.
    pub(super) async fn log(&self) -> Result<Log, Failure> {
        let client = self.connection.client()?;
        if let Some(name) = &self.log {
            return Ok(client.log(name)?);
        }
        let mut logs = client.logs(&PageRequest::default()).await?.items;
        logs.retain(|log| log.name != CONTROL);
        match logs.as_slice() {
            [only] => Ok(client.log(&only.name)?),
            [] => {
                Err(Failure::refused("the server has no log yet; create one with `cairnlog log create NAME`"))
            }
            several => {
                let names: Vec<_> = several.iter().map(|log| log.name.as_str()).collect();
                Err(Failure::usage(format!(
                    "the server has several logs; choose one with --log: {}",
                    names.join(", ")
                )))
            }
        }
    }

    pub(super) fn output(&self) -> Output {
        self.connection.output
    }
}

/// All items of a list, page by page.
pub(super) async fn all<T>(
    fetch: impl AsyncFn(&PageRequest) -> Result<Page<T>, Error>,
) -> Result<Vec<T>, Failure> {
    let mut request = PageRequest { limit: Some(crate::limits::PAGE_ROWS_MAX), cursor: None };
    let mut items = Vec::new();
    loop {
        let page = fetch(&request).await?;
        items.extend(page.items);
        request.cursor = page.next_cursor;
        if request.cursor.is_none() {
            return Ok(items);
        }
        if items.len() >= LISTED_MAX {
            return Err(Failure::cannot_tell(format!(
                "the server lists more than {LISTED_MAX} items without an end"
            )));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environments_token_goes_to_the_environments_server_alone() {
        let at = |server: Option<&'static str>| {
            move |name: &str| match name {
                "CAIRNLOG_TOKEN" => Some("secret".to_owned()),
                _ => server.map(str::to_owned),
            }
        };
        for (server, url, is_sent) in [
            (None, "http://127.0.0.1:8080/logs/hr", true),
            (Some("https://logs.example.com/"), "https://logs.example.com/logs/hr", true),
            (Some("https://logs.example.com"), "https://logs.example.com.evil.example/logs/hr", false),
            (Some("https://logs.example.com"), "http://logs.example.com/logs/hr", false),
            (None, "https://elsewhere.example/logs/hr", false),
            (Some("https://"), "https://elsewhere.example/logs/hr", false),
            (Some("http://"), "http://127.0.0.1:8080/logs/hr", false),
            (Some("https://h.example:8443"), "https://h.example/logs/hr", false),
            (Some("https://h.example/a"), "https://h.example/a/logs/hr", true),
            (Some("https://h.example/a"), "https://h.example/a/../b/logs/hr", false),
            (Some("https://h.example/a"), "https://h.example/ab/logs/hr", false),
        ] {
            assert_eq!(own_token(url, at(server)).is_some(), is_sent, "{url}");
        }
    }
}

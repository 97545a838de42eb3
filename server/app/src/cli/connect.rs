//! Where a command's server is, who asks, and which log is meant.

use cairnlog_client::{Client, Error, Log, Page, PageRequest, Secret};
use clap::Args;

use super::exit::Failure;
use super::limits::LISTED_MAX;
use super::output::Output;

/// Options of every command that talks to a server.
#[derive(Args)]
pub(super) struct Connection {
    /// The server's address.
    #[arg(long, env = "CAIRNLOG_SERVER", default_value = "http://127.0.0.1:8080", value_name = "URL")]
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
        let token = self.token.as_deref().filter(|token| !token.is_empty()).map(Secret::new);
        Ok(Client::new(&self.server, token.as_ref())?)
    }
}

/// The same for commands on one log.
#[derive(Args)]
pub(super) struct LogConnection {
    #[command(flatten)]
    pub(super) connection: Connection,
    /// The log. May be left out where the server has one only.
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
        let logs = client.logs(&PageRequest::default()).await?.items;
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

//! What the plugins of a source say while they run (role auditor: messages may quote records).

use serde::Deserialize;

use crate::client::checked_name;
use crate::error::Error;
use crate::logs::Log;

/// What a plugin said. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct PluginMessage {
    /// When its records came, RFC 3339 UTC; not of a dry run.
    #[serde(default)]
    pub at: Option<String>,
    /// `name@version`.
    pub plugin: String,
    /// `debug`, `info`, `warn` or `error`.
    pub level: String,
    /// Its words.
    pub message: String,
}

impl std::fmt::Debug for PluginMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PluginMessage").field("plugin", &self.plugin).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Messages {
    items: Vec<PluginMessage>,
}

impl Log {
    /// `GET …/sources/{source}/messages`: the last ones, oldest first.
    ///
    /// # Errors
    /// [`Error::Input`] for a name that can't be one, a problem, or no usable answer.
    pub async fn messages(&self, source: &str) -> Result<Vec<PluginMessage>, Error> {
        let source = checked_name("source", source)?;
        let call = self.api_list("listing the messages", &["sources", &source, "messages"]);
        let messages: Messages = self.send(call).await?.json()?;
        Ok(messages.items)
    }
}

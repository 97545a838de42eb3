//! `token create`, `token list`, `token delete` (role admin).

use cairnlog_client::{CreatedToken, NewToken, Role, Token};
use clap::{Subcommand, ValueEnum};
use serde_json::{Map, Value, json};

use super::connect::{Connection, all};
use super::exit::{Exit, Failure};
use super::output::Shown;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a token. It is shown this once.
    #[command(
        after_help = "Examples:\n  cairnlog token create shipper --role writer --log hr --source aws\n  cairnlog token create dpo --role auditor --role compliance --log hr --expires 2027-01-31T00:00:00Z"
    )]
    Create {
        /// What it is for; shown in lists.
        name: String,
        /// What it may do; may be given several times.
        #[arg(long = "role", value_enum, required = true, value_name = "ROLE")]
        roles: Vec<RoleName>,
        /// The only log that it is good for.
        #[arg(long, value_name = "NAME")]
        log: Option<String>,
        /// The only source that it may write to; may be given several times.
        #[arg(long = "source", requires = "log", value_name = "NAME")]
        sources: Vec<String>,
        /// When it ends, RFC 3339.
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
        #[command(flatten)]
        connection: Connection,
    },
    /// List the tokens, without their secrets.
    List {
        #[command(flatten)]
        connection: Connection,
    },
    /// Delete a token; it stops working at once.
    Delete {
        /// Its id, the 16 digits after `cl_`.
        id: String,
        #[command(flatten)]
        connection: Connection,
    },
}

/// The roles, as the command line writes them.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum RoleName {
    /// A private log's transparency part.
    Monitor,
    /// Sends events to sources.
    Writer,
    /// Reads records.
    Auditor,
    /// Uploads plugins, binds sources.
    Integrator,
    /// Sets retention classes.
    Compliance,
    /// Logs and tokens; neither reads records nor writes events.
    Admin,
    /// Beside auditor: finds records by the plaintext of what was pseudonymized.
    Reidentify,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Monitor => Self::Monitor,
            RoleName::Writer => Self::Writer,
            RoleName::Auditor => Self::Auditor,
            RoleName::Integrator => Self::Integrator,
            RoleName::Compliance => Self::Compliance,
            RoleName::Admin => Self::Admin,
            RoleName::Reidentify => Self::Reidentify,
        }
    }
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Monitor => "monitor",
        Role::Writer => "writer",
        Role::Auditor => "auditor",
        Role::Integrator => "integrator",
        Role::Compliance => "compliance",
        Role::Admin => "admin",
        Role::Reidentify => "reidentify",
    }
}

pub(super) async fn run(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Create { name, roles, log, sources, expires, connection } => {
            let sources = if sources.is_empty() { None } else { Some(sources) };
            let roles = roles.into_iter().map(Role::from).collect();
            let new = NewToken { name, roles, log, sources, expires };
            let token = connection.client()?.create_token(&new).await?;
            connection.output.one(&mut std::io::stdout(), &token)?;
        }
        Command::List { connection } => {
            let client = connection.client()?;
            let tokens = all(async |page| client.tokens(page).await).await?;
            connection.output.list(&mut std::io::stdout(), &tokens)?;
        }
        Command::Delete { id, connection } => connection.client()?.delete_token(&id).await?,
    }
    Ok(Exit::Good)
}

fn roles(token: &Token) -> Vec<&'static str> {
    token.roles.iter().map(|role| role_name(*role)).collect()
}

fn members(token: &Token) -> Map<String, Value> {
    let all = [
        ("id", json!(token.id)),
        ("name", json!(token.name)),
        ("roles", json!(roles(token))),
        ("log", json!(token.log)),
        ("sources", json!(token.sources)),
        ("expires", json!(token.expires)),
    ];
    all.into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

impl Shown for Token {
    const COLUMNS: &'static [&'static str] = &["id", "name", "roles", "log", "sources", "expires"];

    fn cells(&self) -> Vec<String> {
        let sources = self.sources.as_ref().map(|sources| sources.join(" "));
        let or_empty = |text: &Option<String>| text.clone().unwrap_or_default();
        vec![
            self.id.clone(),
            self.name.clone(),
            roles(self).join(" "),
            or_empty(&self.log),
            sources.unwrap_or_default(),
            or_empty(&self.expires),
        ]
    }

    fn json(&self) -> Value {
        Value::Object(members(self))
    }
}

impl Shown for CreatedToken {
    const COLUMNS: &'static [&'static str] = &["id", "name", "roles", "log", "sources", "expires", "token"];

    fn cells(&self) -> Vec<String> {
        let mut cells = self.info.cells();
        cells.push(self.token.expose().to_owned());
        cells
    }

    fn json(&self) -> Value {
        let mut members = members(&self.info);
        members.insert("token".to_owned(), self.token.expose().into());
        Value::Object(members)
    }
}

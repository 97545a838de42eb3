//! What records are looked for by: the options that `search` and `hold set` share.

use cairnlog_client::HoldQuery;

#[derive(clap::Args)]
pub(super) struct FilterArgs {
    /// The source's name.
    #[arg(long, value_name = "NAME")]
    pub(super) source: Option<String>,
    /// Who did it: a user's or session's id, name or e-mail address.
    #[arg(long, value_name = "WHO")]
    pub(super) actor: Option<String>,
    /// What was done: the operation, the source's event code or the activity.
    #[arg(long, value_name = "WHAT")]
    pub(super) action: Option<String>,
    #[arg(long, value_name = "UID", help = "OCSF class_uid, such as 6003")]
    pub(super) class: Option<u32>,
    #[arg(long, value_name = "ID", help = "OCSF status_id: 1 success, 2 failure")]
    pub(super) status: Option<u32>,
    /// What it was done to: a resource's id, name, path or address.
    #[arg(long, value_name = "WHAT")]
    pub(super) resource: Option<String>,
    /// The IP address that it came from.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) ip: Option<String>,
    /// Events from then on, RFC 3339.
    #[arg(long, value_name = "TIME")]
    pub(super) from: Option<String>,
    /// Events before then, RFC 3339.
    #[arg(long, value_name = "TIME")]
    pub(super) to: Option<String>,
}

impl From<FilterArgs> for HoldQuery {
    fn from(filters: FilterArgs) -> Self {
        let FilterArgs { source, actor, action, class, status, resource, ip, from, to } = filters;
        let (class, status) = (class.map(i64::from), status.map(i64::from));
        Self { source, actor, action, class, status, resource, ip, from, to }
    }
}

//! Who may do what: roles, tokens, and the question every handler asks first.

mod store;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::Deref;

use cairnlog_ledger::Who;
use serde::{Deserialize, Serialize};

pub(crate) use store::{TokenError, Tokens};

use crate::http::problem::{Problem, Slug};

/// The roles. Each has its own part of the API and the transparency part; a token may carry several.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
    clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// The transparency part of a private log.
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
    /// Beside `auditor`: finds the records of a person by the plaintext of what was pseudonymized.
    Reidentify,
}

impl Role {
    /// The six roles, for the administrator's token of one run. The grant to reidentify is none of them: whoever is to
    /// have it is named for it.
    pub(crate) const ALL: [Self; 6] =
        [Self::Monitor, Self::Writer, Self::Auditor, Self::Integrator, Self::Compliance, Self::Admin];

    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Monitor => "monitor",
            Self::Writer => "writer",
            Self::Auditor => "auditor",
            Self::Integrator => "integrator",
            Self::Compliance => "compliance",
            Self::Admin => "admin",
            Self::Reidentify => "reidentify",
        }
    }
}

/// What a token allows, as it is stored and listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct Grant {
    /// Names the token in lists and entries; no secret.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) roles: BTreeSet<Role>,
    /// The only log it is good for; every log where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) log: Option<String>,
    /// The only sources it may write to; every source where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sources: Option<BTreeSet<String>>,
    /// RFC 3339; never where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<String>,
}

/// Who calls: what their token allows, and where they are.
#[derive(Clone)]
pub(crate) struct Principal {
    pub(crate) grant: Grant,
    /// The other end of the connection: the caller, or the last proxy before the server.
    pub(crate) address: Option<IpAddr>,
}

impl Principal {
    /// As entries of the control log name them.
    pub(crate) fn who(&self) -> Who {
        Who { uid: self.grant.id.clone(), name: Some(self.grant.name.clone()), ip: self.address }
    }
}

impl Deref for Principal {
    type Target = Grant;

    fn deref(&self) -> &Grant {
        &self.grant
    }
}

impl Grant {
    /// The administrator's token of one run: every role, every log.
    pub(crate) fn everything() -> Self {
        Self {
            id: "environment".to_owned(),
            name: "CAIRNLOG_ADMIN_TOKEN".to_owned(),
            roles: Role::ALL.into(),
            log: None,
            sources: None,
            expires: None,
        }
    }

    /// Whether it may act on `log` in `role`.
    ///
    /// # Errors
    /// `not-found` for a log that is not its own, so that names of others can't be probed;
    /// `forbidden` without the role.
    pub(crate) fn require(&self, role: Role, log: Option<&str>) -> Result<(), Problem> {
        if let Some(log) = log {
            self.see(log)?;
        } else if self.log.is_some() {
            return Err(Problem::new(
                Slug::Forbidden,
                "this token is good for one log only; this call concerns the server",
            ));
        }
        if !self.roles.contains(&role) {
            return Err(Problem::new(
                Slug::Forbidden,
                format!(
                    "this call needs the role {0}; an admin makes a token with it: cairnlog token create NAME --role {0}",
                    role.name()
                ),
            ));
        }
        Ok(())
    }

    /// Whether it may add entries to `log`, which has no sources.
    ///
    /// # Errors
    /// As [`Grant::require`]; `forbidden` for a token of named sources.
    pub(crate) fn require_adding(&self, log: &str) -> Result<(), Problem> {
        self.require(Role::Writer, Some(log))?;
        match self.sources {
            None => Ok(()),
            Some(_) => Err(Problem::new(Slug::Forbidden, "this token is good for named sources only")),
        }
    }

    /// Whether it may know of `log` at all.
    ///
    /// # Errors
    /// `not-found`.
    pub(crate) fn see(&self, log: &str) -> Result<(), Problem> {
        match &self.log {
            Some(own) if own != log => Err(no_log(log)),
            _ => Ok(()),
        }
    }

    /// Whether it may write to `source` of `log`.
    ///
    /// # Errors
    /// As [`Grant::require`]; `not-found` for a source that is not its own.
    pub(crate) fn require_source(&self, log: &str, source: &str) -> Result<(), Problem> {
        self.require(Role::Writer, Some(log))?;
        match &self.sources {
            Some(own) if !own.contains(source) => Err(no_source(source)),
            _ => Ok(()),
        }
    }
}

/// The answer for a log that is not there, or not the caller's to see.
pub(crate) fn no_log(log: &str) -> Problem {
    Problem::not_found(format!("there is no log {log:?} here, or it is not yours to see")).that_hides()
}

/// The answer for a source that is not there, or not the caller's to see.
pub(crate) fn no_source(source: &str) -> Problem {
    Problem::not_found(format!(
        "the log has no source {source:?}, or it is not yours to see; an integrator binds sources with `cairnlog source set`"
    ))
    .that_hides()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(roles: &[Role], log: Option<&str>, sources: Option<&[&str]>) -> Grant {
        Grant {
            id: "0".repeat(16),
            name: "test".to_owned(),
            roles: roles.iter().copied().collect(),
            log: log.map(str::to_owned),
            sources: sources.map(|names| names.iter().map(|name| (*name).to_owned()).collect()),
            expires: None,
        }
    }

    fn slug<T>(result: Result<T, Problem>) -> Option<Slug> {
        result.err().map(|problem| problem.slug())
    }

    #[test]
    fn a_role_is_needed_and_enough() {
        let auditor = grant(&[Role::Auditor], None, None);
        assert_eq!(slug(auditor.require(Role::Auditor, Some("hr"))), None);
        assert_eq!(slug(auditor.require(Role::Writer, Some("hr"))), Some(Slug::Forbidden));
        assert_eq!(slug(auditor.require(Role::Admin, None)), Some(Slug::Forbidden));
    }

    #[test]
    fn admin_neither_reads_records_nor_writes_events() {
        let admin = grant(&[Role::Admin], None, None);
        assert_eq!(slug(admin.require(Role::Auditor, Some("hr"))), Some(Slug::Forbidden));
        assert_eq!(slug(admin.require_source("hr", "okta")), Some(Slug::Forbidden));
    }

    #[test]
    fn another_log_is_not_there_whatever_the_role() {
        let writer = grant(&[Role::Writer], Some("hr"), None);
        assert_eq!(slug(writer.require(Role::Writer, Some("hr"))), None);
        assert_eq!(slug(writer.require(Role::Writer, Some("other"))), Some(Slug::NotFound));
        assert_eq!(slug(writer.require(Role::Auditor, Some("other"))), Some(Slug::NotFound));
    }

    #[test]
    fn a_token_of_one_log_administers_nothing_else() {
        let admin = grant(&[Role::Admin], Some("hr"), None);
        assert_eq!(slug(admin.require(Role::Admin, None)), Some(Slug::Forbidden));
    }

    #[test]
    fn named_sources_are_the_only_ones() {
        let writer = grant(&[Role::Writer], Some("hr"), Some(&["okta"]));
        assert_eq!(slug(writer.require_source("hr", "okta")), None);
        assert_eq!(slug(writer.require_source("hr", "workday")), Some(Slug::NotFound));
    }
}

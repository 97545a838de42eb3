//! How long what kind of record lives, what is due when, and sweeps (role compliance).

use reqwest::Method;
use serde::{Deserialize, Serialize};

use crate::client::checked_name;
use crate::error::Error;
use crate::logs::Log;
use crate::page::{Page, PageRequest};

/// When a record's time begins to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// When the server received it.
    Received,
    /// At the end of the calendar year in which it was received.
    EndOfYear,
    /// When what it belongs to is closed: an employment, a case.
    Closed,
}

/// What a class says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassSettings {
    /// When the time begins to run.
    pub trigger: Trigger,
    /// Days for which a record can't be erased.
    pub minimum_days: u32,
    /// Days after which a record is erased; none: never by age.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum_days: Option<u32>,
    /// With [`Trigger::EndOfYear`]: where the year ends, such as `Europe/Berlin`; UTC if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// The law or rule behind the figures.
    pub basis: String,
}

/// A class with its name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RetentionClass {
    /// Its name, as retention plugins choose it.
    pub class: String,
    /// What it says.
    #[serde(flatten)]
    pub settings: ClassSettings,
}

/// What is kept by a class.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ClassDue {
    /// The class's name.
    pub class: String,
    /// The law or rule behind it.
    pub basis: String,
    /// How many records are kept by it.
    pub records: u64,
    /// The day on which the next of them is due, such as `2027-11-23`; none if none is.
    #[serde(default)]
    pub next_due: Option<String>,
    /// How many are due and not erased yet.
    pub overdue: u64,
    /// How many of these are held.
    pub held: u64,
}

/// What a sweep came to, or would come to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Sweep {
    /// How many records were due.
    pub due: u64,
    /// Of them, erased; 0 of a dry run.
    pub erased: u64,
    /// Of them, held.
    pub held: u64,
    /// The same by class.
    pub by_class: Vec<Swept>,
    /// Whether that was all; otherwise the time for one request was over, and another one goes on.
    pub complete: bool,
}

/// What became of the records of a class that were due.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Swept {
    /// The class; `quarantine` for raw records that no pipeline could process.
    pub class: String,
    /// How many were due.
    pub due: u64,
    /// Of them, erased; 0 of a dry run.
    pub erased: u64,
    /// Of them, held.
    pub held: u64,
}

#[derive(Serialize)]
struct DryRun<'a> {
    dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<&'a str>,
}

impl Log {
    /// `PUT …/retention/classes/{class}`: for what comes from now on.
    ///
    /// # Errors
    /// [`Error::Input`] for a name that can't be one, a problem, [`Error::Waits`] where a second person has to approve it, or
    /// no usable answer.
    pub async fn put_class(&self, class: &str, settings: &ClassSettings) -> Result<RetentionClass, Error> {
        let class = checked_name("class", class)?;
        let segments = ["retention", "classes", &class];
        let call = self.api("setting the retention class", Method::PUT, &segments).json(settings)?;
        self.send(call).await?.unless_it_waits()?.json()
    }

    /// `GET …/retention/classes`.
    ///
    /// # Errors
    /// A problem, or no usable answer.
    pub async fn classes(&self, page: &PageRequest) -> Result<Page<RetentionClass>, Error> {
        let segments = ["retention", "classes"];
        let call = page.apply(self.api_list("listing the retention classes", &segments));
        self.send(call).await?.json()
    }

    /// `GET …/retention/classes/{class}`.
    ///
    /// # Errors
    /// [`Error::Input`] for a name that can't be one, a problem, or no usable answer.
    pub async fn class(&self, class: &str) -> Result<RetentionClass, Error> {
        let class = checked_name("class", class)?;
        let segments = ["retention", "classes", &class];
        let call = self.api("looking at the retention class", Method::GET, &segments);
        self.send(call).await?.json()
    }

    /// `GET …/retention`: what is kept, by class.
    ///
    /// # Errors
    /// A problem, or no usable answer.
    pub async fn retention(&self, page: &PageRequest) -> Result<Page<ClassDue>, Error> {
        let call = page.apply(self.api_list("looking at what is kept", &["retention"]));
        self.send(call).await?.json()
    }

    /// `POST …/retention/sweeps`: erases what is due and not held. The server does so by itself too.
    ///
    /// # Errors
    /// A problem, `conflict` while another sweep is under way, or no usable answer.
    pub async fn sweep(&self) -> Result<Sweep, Error> {
        let call = self.api("sweeping the log", Method::POST, &["retention", "sweeps"]);
        self.send(call.slow()).await?.json()
    }

    /// The same, but only says what a sweep would do now or at `at` (RFC 3339).
    ///
    /// # Errors
    /// A problem, or no usable answer.
    pub async fn sweep_dry(&self, at: Option<&str>) -> Result<Sweep, Error> {
        let call = self.api("trying a sweep of the log", Method::POST, &["retention", "sweeps"]);
        self.send(call.slow().json(&DryRun { dry_run: true, at })?).await?.json()
    }
}

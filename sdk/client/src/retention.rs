//! Retention classes of a log: how long what kind of record lives (role compliance).

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

impl Log {
    /// `PUT …/retention/classes/{class}`: for what comes from now on.
    ///
    /// # Errors
    /// [`Error::Input`] for a name that can't be one, a problem, or no usable answer.
    pub async fn put_class(&self, class: &str, settings: &ClassSettings) -> Result<RetentionClass, Error> {
        let class = checked_name("class", class)?;
        let segments = ["retention", "classes", &class];
        let call = self.api("setting the retention class", Method::PUT, &segments).json(settings)?;
        self.send(call).await?.json()
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
}

//! Following a log's entries as they are published (role auditor). The server logs it.

use bytes::{Buf as _, BytesMut};
use reqwest::Response;

use crate::error::Error;
use crate::limits;
use crate::logs::Log;
use crate::records::Record;
use crate::transport::Call;

const WHAT: &str = "following the log";

/// The entries of a log from an index on, those to come as they are published.
pub struct RecordStream {
    response: Response,
    buffer: BytesMut,
    /// How much of the buffer holds no end of an event.
    searched: usize,
}

impl Log {
    /// `GET …/stream`: entries of all kinds from the index `from` on; without one, those that are published from now on.
    ///
    /// # Errors
    /// A problem, or no usable answer.
    pub async fn follow(&self, from: Option<u64>) -> Result<RecordStream, Error> {
        let call = Call::get(WHAT, limits::RECORD_BYTES_MAX)
            .at(["api", "v1", "logs", &self.name, "stream"])
            .query("from", from);
        let response = self.open(call).await?;
        Ok(RecordStream { response, buffer: BytesMut::new(), searched: 0 })
    }
}

impl RecordStream {
    /// The next entry; none where the server ended the stream. Go on behind the last index then.
    ///
    /// # Errors
    /// A connection that broke or fell silent, or what is no event of a record.
    pub async fn next(&mut self) -> Result<Option<Record>, Error> {
        loop {
            while let Some(event) = self.event() {
                if let Some(data) = data(&event) {
                    return serde_json::from_slice(data).map(Some).map_err(|error| Error::json(WHAT, &error));
                }
            }
            if self.buffer.len() > limits::RECORD_BYTES_MAX {
                return Err(Error::TooLarge { what: WHAT, limit: limits::RECORD_BYTES_MAX });
            }
            match self.response.chunk().await.map_err(|error| Error::transport(WHAT, error))? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => return Ok(None),
            }
        }
    }

    /// The next whole event in the buffer, up to its blank line.
    fn event(&mut self) -> Option<BytesMut> {
        let end = self.buffer[self.searched..].windows(2).position(|pair| pair == b"\n\n");
        let Some(end) = end.map(|end| self.searched + end) else {
            self.searched = self.buffer.len().saturating_sub(1);
            return None;
        };
        let event = self.buffer.split_to(end);
        self.buffer.advance(2);
        self.searched = 0;
        Some(event)
    }
}

/// The one line of data of an event; a heartbeat has none.
fn data(event: &[u8]) -> Option<&[u8]> {
    event.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"data: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_a_line_of_data_and_a_heartbeat_none() {
        assert_eq!(data(b"id: 7\ndata: {}"), Some(&b"{}"[..]));
        assert_eq!(data(b": "), None);
    }
}

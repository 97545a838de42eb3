//! What a log with witnesses goes on from: its published head, and how far each witness has cosigned.

use std::sync::Arc;

use cairnlog_store::{Batch, Engine, Family, layout};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout_at},
};

use crate::{
    asking::Seat,
    error::OpenError,
    head::Head,
    log::LogParams,
    publisher, rebuild,
    witness::{WitnessAnswer, Witnesses},
    writer::SharedWriter,
};

/// What a publisher starts with.
pub(crate) struct Published {
    pub(crate) head: Head,
    pub(crate) witnesses: Arc<Witnesses>,
    pub(crate) seats: Vec<Seat>,
}

impl Published {
    /// That of a log which is being created.
    pub(crate) fn before_first(witnesses: Arc<Witnesses>, before: Head) -> Published {
        let seats = witnesses.cosigners.iter().map(|_| Seat::default()).collect();
        Published { head: before, witnesses, seats }
    }

    /// That of a stored log; `None` for one without witnesses.
    ///
    /// A log that had no witnesses so far has published its newest head, so it goes on from that one, and this is
    /// stored before anything is appended. Where it has none any more, its published head is forgotten before a newer
    /// one is served. So the published head never goes back, whatever the settings of each start.
    pub(crate) async fn open(
        engine: &Arc<dyn Engine>,
        writer: &SharedWriter,
        params: &LogParams,
        stored: &Head,
    ) -> Result<Option<Published>, OpenError> {
        let log = params.id;
        let published = rebuild::published_head(engine.as_ref(), log, stored).await?;
        let Some(witnesses) = params.witnesses.clone() else {
            if published.is_some() {
                let mut batch = Batch::new();
                batch.delete(Family::Heads, layout::published_head_key(log));
                batch.delete(Family::Heads, layout::published_time_key(log));
                engine.commit(&writer.current().await, batch).await?;
            }
            return Ok(None);
        };
        let mut seats = Vec::new();
        for cosigner in &witnesses.cosigners {
            seats.push(Seat::at(rebuild::witness_size(engine.as_ref(), log, &cosigner.name).await?));
        }
        ask_sizes(log, &witnesses, stored, &mut seats).await?;
        let head = if let Some(head) = published {
            head
        } else {
            let served = stored.to_serve().await.map_err(OpenError::Serve)?;
            engine.commit(&writer.current().await, publisher::rows(log, &served, stored.time)).await?;
            stored.cosigned(served)
        };
        Ok(Some(Published { head, witnesses, seats }))
    }
}

/// Asks every witness how far it has cosigned, by a request that pretends to know of nothing: it answers with its size,
/// or cosigns the stored head if it has none. One that does not answer in time is passed over, by the logs that are
/// opened after this one too; one that is ahead of the store refuses the start.
async fn ask_sizes(
    log: u32,
    witnesses: &Witnesses,
    stored: &Head,
    seats: &mut [Seat],
) -> Result<(), OpenError> {
    let note = stored.to_serve().await.map_err(OpenError::Serve)?;
    let Witnesses { cosigners, patience, .. } = witnesses;
    let started = Instant::now();
    let deadline = started + patience.wait();
    let mut asking = JoinSet::new();
    for (who, cosigner) in cosigners.iter().cloned().enumerate() {
        if patience.asks(&cosigner.name) {
            let body = format!("old 0\n\n{note}");
            let asked = async move { timeout_at(deadline, cosigner.witness.add_checkpoint(body)).await };
            asking.spawn(async move { (who, asked.await) });
        }
    }
    let size = stored.checkpoint.size;
    let mut ahead = None;
    while let Some(asked) = asking.join_next().await {
        let Ok((who, answer)) = asked else { continue };
        let witness = &cosigners[who].name;
        match answer {
            Ok(Ok(WitnessAnswer::OtherSize(cosigned))) if cosigned > size => {
                ahead = Some(OpenError::WitnessAhead { witness: witness.clone(), cosigned, stored: size });
            }
            Ok(Ok(WitnessAnswer::OtherSize(cosigned))) => seats[who].size = cosigned,
            Ok(Ok(WitnessAnswer::Cosigned(_))) => seats[who].size = size,
            Ok(Err(error)) => {
                seats[who].fail(None);
                tracing::warn!(log, witness, %error, "a witness does not say its size; it is asked again");
            }
            Err(_) => {
                seats[who].fail(None);
                patience.give_up(witness);
                tracing::warn!(log, witness, "a witness does not answer; it is asked again");
            }
        }
    }
    patience.spend(started.elapsed());
    ahead.map_or(Ok(()), Err)
}

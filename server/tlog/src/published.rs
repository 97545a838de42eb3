//! What a log with witnesses goes on from: its published head, and how far each witness has cosigned.

use std::sync::Arc;

use cairnlog_store::{Batch, Engine, Family, layout};
use tokio::{task::JoinSet, time::timeout};

use crate::{
    error::OpenError,
    head::Head,
    limits::WITNESS_WAIT_MAX,
    log::LogParams,
    publisher, rebuild,
    witness::{Cosigner, WitnessAnswer, Witnesses},
    writer::SharedWriter,
};

/// What a publisher starts with.
pub(crate) struct Published {
    pub(crate) head: Head,
    pub(crate) witnesses: Arc<Witnesses>,
    pub(crate) sizes: Vec<u64>,
}

impl Published {
    /// That of a log which is being created.
    pub(crate) fn before_first(witnesses: Arc<Witnesses>, before: Head) -> Published {
        let sizes = vec![0; witnesses.cosigners.len()];
        Published { head: before, witnesses, sizes }
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
        let mut sizes = Vec::new();
        for cosigner in &witnesses.cosigners {
            sizes.push(rebuild::witness_size(engine.as_ref(), log, &cosigner.name).await?);
        }
        ask_sizes(&witnesses.cosigners, stored, &mut sizes).await?;
        let head = if let Some(head) = published {
            head
        } else {
            let served = stored.to_serve().await.map_err(OpenError::Serve)?;
            engine.commit(&writer.current().await, publisher::rows(log, &served, stored.time)).await?;
            stored.cosigned(served)
        };
        Ok(Some(Published { head, witnesses, sizes }))
    }
}

/// Asks every witness how far it has cosigned, by a request that pretends to know of nothing: it answers with its size,
/// or cosigns the stored head if it has none. One that does not answer in time is passed over; one that is ahead of the
/// store refuses the start.
async fn ask_sizes(cosigners: &[Cosigner], stored: &Head, sizes: &mut [u64]) -> Result<(), OpenError> {
    let note = stored.to_serve().await.map_err(OpenError::Serve)?;
    let mut asking = JoinSet::new();
    for (who, cosigner) in cosigners.iter().cloned().enumerate() {
        let body = format!("old 0\n\n{note}");
        asking.spawn(
            async move { (who, timeout(WITNESS_WAIT_MAX, cosigner.witness.add_checkpoint(body)).await) },
        );
    }
    let size = stored.checkpoint.size;
    while let Some(asked) = asking.join_next().await {
        let Ok((who, answer)) = asked else { continue };
        match answer {
            Ok(Ok(WitnessAnswer::OtherSize(cosigned))) if cosigned > size => {
                let witness = cosigners[who].name.clone();
                return Err(OpenError::WitnessAhead { witness, cosigned, stored: size });
            }
            Ok(Ok(WitnessAnswer::OtherSize(cosigned))) => sizes[who] = cosigned,
            Ok(Ok(WitnessAnswer::Cosigned(_))) => sizes[who] = size,
            Ok(Err(error)) => {
                tracing::warn!(witness = cosigners[who].name, %error, "a witness does not say its size");
            }
            Err(_) => tracing::warn!(witness = cosigners[who].name, "a witness does not answer"),
        }
    }
    Ok(())
}

//! What became of sessions while nobody listened: asked of the server when the connection is back.

use std::collections::HashSet;
use std::sync::Weak;
use std::time::Duration;

use memchr::memmem;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};
use uuid::Uuid;

use super::{Shared, lock};
use crate::error::{CommandError, Error, Kind};
use crate::handle::WeakHandle;
use crate::{Command, Event};

/// How long all of it may take: a server with 10,000 channels answers within a second or two.
const RESYNC_MAX: Duration = Duration::from_secs(60);

/// The server's list of channels runs behind by up to half a second: what began just before the connection was back is
/// found by a second look.
const LIST_LAG: Duration = Duration::from_secs(1);

pub(super) async fn resync(shared: Weak<Shared>, lost_at: Instant) {
    let twice = async {
        let (seen, lost) = ask(&shared, lost_at).await?;
        sleep(LIST_LAG).await;
        let (late, gone) = ask(&shared, lost_at).await?;
        Ok::<_, Error>((seen.max(late), lost + gone))
    };
    match timeout(RESYNC_MAX, twice).await {
        Ok(Ok((seen, lost))) => info!(seen, lost, "asked for what changed while the connection was gone"),
        Ok(Err(error)) => warn!(%error, "cannot ask for what changed while the connection was gone"),
        Err(_) => warn!(after = ?RESYNC_MAX, "asking for what changed while the connection was gone took too long"),
    }
}

/// Returns how many channels are there, and how many of those that were known are not.
async fn ask(shared: &Weak<Shared>, lost_at: Instant) -> Result<(usize, usize), Error> {
    let gone = || Error::from(Kind::Dropped);
    let (handle, like, known) = {
        let shared = shared.upgrade().ok_or_else(gone)?;
        // A client's connection is the better one: while a command runs, its connection gets no events.
        let listener = || lock(&shared.control.listener).as_ref().and_then(WeakHandle::upgrade);
        let handle = shared.control.client().filter(|client| !client.is_closed()).or_else(listener);
        let tracker = lock(&shared.tracker);
        let known: Vec<Uuid> = tracker.sessions().iter().map(crate::Session::uuid).collect();
        (handle.ok_or_else(gone)?, tracker.options.like.clone(), known)
    };
    let command = match like {
        None => "show channels as json".to_owned(),
        Some(like) if like.contains(char::is_whitespace) => {
            return Err(CommandError::Space { place: "the text of `like`", text: like }.into());
        }
        Some(like) => format!("show channels like {like} as json"),
    };
    let reply = handle.request(&Command::api(command)).await?;
    reply.ok()?;
    let listed = uuids(reply.body());
    // The list runs behind by up to half a second: what is not in it may be there, and the other way round. What the
    // server tells of each channel is exact.
    let all: HashSet<Uuid> = listed.into_iter().chain(known.iter().copied()).collect();
    let (mut seen, mut lost) = (0, 0);
    for uuid in all {
        let reply = handle.request(&Command::api(format!("uuid_dump {uuid} json"))).await?;
        let told = match reply.ok() {
            Ok(_) => Event::from_json(reply.body().clone()).ok(),
            Err(refusal) if refusal.words.starts_with("No such channel") => None,
            // Nothing is known of it, so that nothing is changed.
            Err(refusal) => return Err(refusal.into()),
        };
        let is_new = {
            let shared = shared.upgrade().ok_or_else(gone)?;
            let mut tracker = lock(&shared.tracker);
            match told {
                Some(event) => {
                    seen += 1;
                    let is_new = tracker.session(uuid).is_none();
                    tracker.told(&event, Instant::now());
                    is_new
                }
                None => {
                    lost += usize::from(known.contains(&uuid));
                    tracker.lost(uuid, Instant::now());
                    false
                }
            }
        };
        // Its end may have been told between the question and the answer, when nobody knew it.
        if is_new {
            let reply = handle.request(&Command::api(format!("uuid_exists {uuid}"))).await?;
            if reply.text() == "false" {
                let shared = shared.upgrade().ok_or_else(gone)?;
                lock(&shared.tracker).lost(uuid, Instant::now());
            }
        }
    }
    let shared = shared.upgrade().ok_or_else(gone)?;
    let mut tracker = lock(&shared.tracker);
    tracker.lose_jobs(lost_at);
    tracker.miss(lost_at);
    drop(tracker);
    Ok((seen, lost))
}

/// The UUIDs in `show channels as json`. A quote within a value is escaped, so that this cannot be part of one.
fn uuids(json: &[u8]) -> Vec<Uuid> {
    const KEY: &[u8] = b"\"uuid\":\"";
    memmem::find_iter(json, KEY)
        .filter_map(|at| {
            let rest = &json[at + KEY.len()..];
            let end = memchr::memchr(b'"', rest)?;
            Uuid::try_parse_ascii(&rest[..end]).ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_channels_of_a_list() {
        let json = br#"{"row_count":2,"rows":[{"uuid":"aaaaaaaa-0000-4000-8000-000000000001","name":"a \"uuid\":\"x","call_uuid":"b"},{"uuid":"aaaaaaaa-0000-4000-8000-000000000002"}]}"#;
        let found: Vec<u128> = uuids(json).iter().map(|uuid| uuid.as_u128() & 0xff).collect();
        assert_eq!(found, [1, 2]);
        assert!(uuids(b"{\"row_count\":0}\n").is_empty());
    }
}

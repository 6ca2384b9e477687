//! What became of sessions while nobody listened: asked of the server when the connection is back.

use std::collections::HashSet;
use std::sync::Weak;
use std::time::Duration;

use memchr::memmem;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, info, warn};
use uuid::Uuid;

use super::{Shared, lock};
use crate::argument::word;
use crate::error::{Error, Kind};
use crate::handle::WeakHandle;
use crate::{Command, Event, Job, Session, Status};

/// How long all of it may take: a server with 10,000 channels answers within a second or two.
const RESYNC_MAX: Duration = Duration::from_secs(60);

/// The server's list of channels runs behind by up to half a second: what began just before the connection was back is
/// found by a second look.
const LIST_LAG: Duration = Duration::from_secs(1);

/// Events come up to 20 ms late: after this, the end of a channel that is gone has come, or comes no more.
const END_LAG: Duration = Duration::from_millis(200);

/// What was told before the connection was back at `back_at` may have been told to nobody.
pub(super) async fn resync(shared: Weak<Shared>, back_at: Instant) {
    let twice = async {
        let (seen, lost) = ask_until_told(&shared).await?;
        sleep(LIST_LAG).await;
        let (late, gone) = ask_until_told(&shared).await?;
        if let Some(shared) = shared.upgrade() {
            // Only now, since a call may just have begun.
            lock(&shared.tracker).lose_jobs(back_at);
        }
        Ok::<_, Error>((seen.max(late), lost + gone))
    };
    match timeout(RESYNC_MAX, twice).await {
        Ok(Ok((seen, lost))) => info!(seen, lost, "asked for what changed while the connection was gone"),
        Ok(Err(error)) => warn!(%error, "cannot ask for what changed while the connection was gone"),
        Err(_) => warn!(after = ?RESYNC_MAX, "asking for what changed while the connection was gone took too long"),
    }
    if let Some(shared) = shared.upgrade() {
        lock(&shared.tracker).miss(back_at);
    }
}

/// Asks again where that fails for another reason than what the server says: the connection that is asked may go, too.
async fn ask_until_told(shared: &Weak<Shared>) -> Result<(usize, usize), Error> {
    loop {
        match ask(shared).await {
            Err(error)
                if error.command_failure().is_none()
                    && error.command_error().is_none()
                    && shared.strong_count() > 0 =>
            {
                debug!(%error, "what changed cannot be asked for yet");
                sleep(LIST_LAG).await;
            }
            told => return told,
        }
    }
}

/// Returns how many channels are there, and how many of those that were known are not.
async fn ask(shared: &Weak<Shared>) -> Result<(usize, usize), Error> {
    let gone = || Error::from(Kind::Dropped);
    let (handle, like, known) = {
        let shared = shared.upgrade().ok_or_else(gone)?;
        // A client's connection is the better one: while a command runs, its connection gets no events.
        let listener = || lock(&shared.control.listener).as_ref().and_then(WeakHandle::upgrade);
        let client = shared.control.client().filter(|client| matches!(client.status(), Status::Connected));
        let handle = client.or_else(listener);
        let tracker = lock(&shared.tracker);
        let mut known: Vec<Uuid> = tracker.sessions().iter().map(Session::uuid).collect();
        // A call whose channel nobody heard of yet: its job knows it.
        known.extend(tracker.jobs().iter().filter_map(Job::session_uuid));
        (handle.ok_or_else(gone)?, tracker.options.like.clone(), known)
    };
    let command = match like {
        None => "show channels as json".to_owned(),
        Some(like) => format!("show channels like {} as json", word("the text of `like`", &like)?),
    };
    let reply = handle.request(&Command::api(command)).await?;
    reply.ok()?;
    let listed = uuids(reply.body());
    // The list runs behind by up to half a second: what is not in it may be there, and the other way round. What the
    // server tells of each channel is exact.
    let all: HashSet<Uuid> = listed.into_iter().chain(known.iter().copied()).collect();
    let (mut seen, mut lost) = (0, Vec::new());
    for uuid in all {
        let reply = handle.request(&Command::api(format!("uuid_dump {uuid} json"))).await?;
        let told = match reply.ok() {
            Ok(_) => match Event::from_json(reply.body().clone()) {
                Ok(event) => event,
                // It is there, whatever this means.
                Err(error) => {
                    warn!(%uuid, %error, "what the server tells of a channel cannot be read");
                    continue;
                }
            },
            Err(refusal) if refusal.words.starts_with("No such channel") => {
                lost.push(uuid);
                continue;
            }
            // Nothing is known of it, so that nothing is changed.
            Err(refusal) => return Err(refusal.into()),
        };
        let is_new = {
            let shared = shared.upgrade().ok_or_else(gone)?;
            let mut tracker = lock(&shared.tracker);
            seen += 1;
            let is_new = tracker.session(uuid).is_none();
            tracker.told(&told, Instant::now());
            is_new
        };
        // Its end may have been told between the question and the answer, when nobody knew it.
        if is_new {
            let reply = handle.request(&Command::api(format!("uuid_exists {uuid}"))).await?;
            if reply.text() == "false" {
                lost.push(uuid);
            }
        }
    }
    // One whose end is still on its way ends as that says.
    sleep(END_LAG).await;
    let shared = shared.upgrade().ok_or_else(gone)?;
    let mut tracker = lock(&shared.tracker);
    lost.retain(|&uuid| tracker.session(uuid).is_some());
    for &uuid in &lost {
        tracker.lost(uuid, Instant::now());
    }
    Ok((seen, lost.len()))
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

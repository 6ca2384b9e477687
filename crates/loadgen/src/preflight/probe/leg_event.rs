//! The events of probe calls, on any slave.

use esl_core::{Error, Event, EventName, Listener, Options, Subscription};
use tokio::sync::broadcast;
use uuid::Uuid;

use crate::plan::RunId;
use crate::server::Server;

/// An event of a probe call.
#[derive(Clone, Debug)]
pub(super) struct LegEvent {
    /// The slave.
    pub(super) slave: usize,
    /// The call, by its near leg's UUID.
    pub(super) call: Uuid,
    /// The channel.
    pub(super) channel: Uuid,
    pub(super) what: LegEventKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LegEventKind {
    Created,
    Progressed,
    Parked,
    Answered,
    /// The channel has ended, with this cause.
    Ended(String),
    /// The originate failed, with this answer.
    Refused(String),
}

pub(super) async fn open(server: &Server) -> Result<Listener, Error> {
    let events = Subscription::new([
        EventName::ChannelCreate,
        EventName::ChannelProgress,
        EventName::ChannelProgressMedia,
        EventName::ChannelPark,
        EventName::ChannelAnswer,
        EventName::ChannelHangupComplete,
        EventName::BackgroundJob,
    ]);
    Listener::connect(&server.address, &server.credentials, &Options::default(), &events).await
}

/// Forwards the events of this run's calls until the connection ends.
pub(super) async fn listen(slave: usize, mut listener: Listener, run: RunId, events: broadcast::Sender<LegEvent>) {
    while let Ok(event) = listener.next().await {
        if let Some(event) = read(slave, &event, run) {
            // All receivers may be gone.
            let _ = events.send(event);
        }
    }
}

fn read(slave: usize, event: &Event, run: RunId) -> Option<LegEvent> {
    if event.name() == EventName::BackgroundJob {
        let call = event.job_uuid().filter(|job| run.parse(*job).is_some())?;
        let words = String::from_utf8_lossy(event.body());
        let words = words.trim().strip_prefix("-ERR")?.trim().to_owned();
        return Some(LegEvent { slave, call, channel: call, what: LegEventKind::Refused(words) });
    }
    let channel = event.unique_id()?;
    let header = event.get("variable_sip_h_X-loadgen-call").and_then(|call| Uuid::try_parse(&call).ok());
    let call = [Some(channel), header].into_iter().flatten().find(|call| run.parse(*call).is_some())?;
    let what = match event.name() {
        EventName::ChannelCreate => LegEventKind::Created,
        EventName::ChannelProgress | EventName::ChannelProgressMedia => LegEventKind::Progressed,
        EventName::ChannelPark => LegEventKind::Parked,
        EventName::ChannelAnswer => LegEventKind::Answered,
        EventName::ChannelHangupComplete => {
            let cause = event.get("Hangup-Cause").unwrap_or_default();
            let status = event.get("variable_sip_term_status").map(|status| format!(" (SIP {status})"));
            LegEventKind::Ended(format!("{cause}{}", status.unwrap_or_default()))
        }
        _ => return None,
    };
    Some(LegEvent { slave, call, channel, what })
}

//! Translates FreeSWITCH events into call events.

use crate::measure::{Refusal, RtpStats, ServerHealth};
use crate::plan::marks::{PROBE_EVENT, PROBE_HEADER, TRACKING_VARIABLE};
use esl_core::{Event, EventName, HangupCause, Reply};
use uuid::Uuid;

use crate::engine::call::{FarLegEvent, NearLegEvent};
use crate::plan::{FIRST_PROBE, RunId};

/// An event of a server, as the slave's task sees it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum CallEvent {
    /// An event of the near leg of this attempt's call.
    Call(u64, NearLegEvent),
    /// An event of the near leg of this attempt's call that only an app needs.
    Near(u64),
    /// The call of this attempt got a channel with another UUID, since its own was in use.
    Stray(u64, Uuid),
    /// An event of a leg that is not a near leg of this slave.
    Other(Uuid, Option<FarLegEvent>),
    /// The server's load.
    ServerHealth(ServerHealth),
    /// A probe event has arrived: its id.
    Probe(String),
    /// Any other event.
    Nothing,
}

/// Translates an event.
pub(super) fn read(event: &Event, run: RunId, slave: usize) -> CallEvent {
    match event.name() {
        EventName::BackgroundJob => return job(event, run, slave),
        EventName::Heartbeat => return CallEvent::ServerHealth(ServerHealth::of_heartbeat(event)),
        EventName::Custom if event.get("Event-Subclass").as_deref() == Some(PROBE_EVENT) => {
            return event.get(PROBE_HEADER).map_or(CallEvent::Nothing, |id| CallEvent::Probe(id.into_owned()));
        }
        _ => {}
    }
    let Some(leg) = event.unique_id() else {
        return CallEvent::Nothing;
    };
    match run.parse(leg) {
        // A late event of a preflight probe call.
        Some((_, attempt)) if attempt >= FIRST_PROBE => CallEvent::Nothing,
        Some((of, attempt)) if of == slave => {
            near(event).map_or(CallEvent::Near(attempt), |change| CallEvent::Call(attempt, change))
        }
        // Another slave's near leg is on another server.
        Some(_) => CallEvent::Nothing,
        None => CallEvent::Other(leg, far(event)),
    }
}

fn near(event: &Event) -> Option<NearLegEvent> {
    Some(match event.name() {
        EventName::ChannelCreate => NearLegEvent::Created,
        EventName::ChannelProgress | EventName::ChannelProgressMedia => NearLegEvent::Progressed,
        EventName::ChannelAnswer => NearLegEvent::Answered,
        EventName::ChannelHangup => NearLegEvent::HungUp,
        EventName::ChannelDestroy => NearLegEvent::Gone {
            cause: cause(event),
            sip: event.variable("sip_term_status").and_then(|status| status.parse().ok()),
            rtp: rtp(event),
        },
        _ => return None,
    })
}

fn far(event: &Event) -> Option<FarLegEvent> {
    Some(match event.name() {
        EventName::ChannelCreate => FarLegEvent::Created,
        EventName::ChannelAnswer => FarLegEvent::Answered,
        EventName::ChannelHangup => FarLegEvent::HungUp,
        EventName::ChannelDestroy => FarLegEvent::Gone { cause: cause(event), rtp: rtp(event) },
        _ => return None,
    })
}

fn cause(event: &Event) -> Option<HangupCause> {
    event.get("Hangup-Cause").map(|cause| HangupCause::of(&cause))
}

fn rtp(event: &Event) -> Option<RtpStats> {
    RtpStats::read(|name| event.variable(&format!("rtp_audio_in_{name}")))
}

/// Whether a leg is inbound. The outbound leg of a bridge carries the same tracking header.
pub(super) fn is_inbound(event: &Event) -> bool {
    event.get("Call-Direction").as_deref() == Some("inbound")
}

/// The slave and the attempt of the call that a leg's tracking header names.
pub(super) fn tracked(event: &Event, run: RunId) -> Option<(usize, u64)> {
    run.parse(Uuid::try_parse(&event.variable(TRACKING_VARIABLE)?).ok()?)
}

fn job(event: &Event, run: RunId, slave: usize) -> CallEvent {
    match event.job_uuid().and_then(|uuid| run.parse(uuid)) {
        Some((of, attempt)) if of == slave => {
            let body = String::from_utf8_lossy(event.body());
            let channel = body.strip_prefix("+OK ").and_then(|uuid| Uuid::try_parse(uuid.trim()).ok());
            match channel {
                Some(channel) if event.job_uuid() != Some(channel) => CallEvent::Stray(attempt, channel),
                _ => CallEvent::Call(attempt, NearLegEvent::Job(result(body.trim()))),
            }
        }
        _ => CallEvent::Nothing,
    }
}

/// The result in the body of an originate's job, or in the reply to its command.
fn result(text: &str) -> Result<(), Refusal> {
    match text.strip_prefix("-ERR").or(text.strip_prefix("-USAGE:")) {
        Some(words) => Err(Refusal::of(words)),
        None => Ok(()),
    }
}

/// Why the server refused to start the job, where it did.
pub(super) fn refusal(reply: &Reply) -> Option<Refusal> {
    result(&reply.text()).err()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &str) -> Event {
        Event::from_plain(text.to_owned().into()).expect("an event")
    }

    #[test]
    fn events_of_this_run_and_slave_are_read() {
        let run: RunId = "0123456789ab".parse().unwrap();
        let uuid = run.call(3, 77);
        let gone = format!(
            "Event-Name: CHANNEL_DESTROY\nUnique-ID: {uuid}\nHangup-Cause: USER_BUSY\nvariable_sip_term_status: 486\n\n"
        );
        let change = NearLegEvent::Gone { cause: Some(HangupCause::of("USER_BUSY")), sip: Some(486), rtp: None };
        assert_eq!(read(&event(&gone), run, 3), CallEvent::Call(77, change));
        assert_eq!(read(&event(&gone), run, 4), CallEvent::Nothing, "another slave's");
        let (uuid, gone) = (uuid, event(&gone));
        assert!(matches!(read(&gone, RunId::random(), 3), CallEvent::Other(leg, _) if leg == uuid), "another run's");
        assert_eq!(read(&event("Event-Name: CHANNEL_ANSWER\n\n"), run, 3), CallEvent::Nothing);
    }

    #[test]
    fn a_job_s_result_is_read_from_its_body() {
        let run: RunId = "0123456789ab".parse().unwrap();
        let uuid = run.call(0, 1);
        for (body, result) in [
            (format!("+OK {uuid}\n").as_str(), Ok(())),
            ("-ERR DESTINATION_OUT_OF_ORDER\n", Err(Refusal::Limit)),
            ("-USAGE: <call url> <exten>|&<application_name>(<app_args>)\n", Err(Refusal::Command)),
        ] {
            let text =
                format!("Event-Name: BACKGROUND_JOB\nJob-UUID: {uuid}\nContent-Length: {}\n\n{body}", body.len());
            assert_eq!(read(&event(&text), run, 0), CallEvent::Call(1, NearLegEvent::Job(result)));
        }
        let other = Uuid::from_u128(7);
        let text = format!("Event-Name: BACKGROUND_JOB\nJob-UUID: {uuid}\nContent-Length: 41\n\n+OK {other}\n");
        assert_eq!(read(&event(&text), run, 0), CallEvent::Stray(1, other), "a UUID that was in use");
    }

    #[test]
    fn a_heartbeat_says_how_the_server_is() {
        let text = "Event-Name: HEARTBEAT\nSession-Count: 4\nMax-Sessions: 1000\nIdle-CPU: 98.500000\n\n";
        let expected = ServerHealth {
            sessions: Some(4),
            sessions_max: Some(1000),
            idle_cpu: Some(0.985),
            ..ServerHealth::default()
        };
        assert_eq!(read(&event(text), RunId::random(), 0), CallEvent::ServerHealth(expected));
    }
}

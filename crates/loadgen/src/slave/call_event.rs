//! What an event tells this slave's task.

use esl_core::{Event, EventName, HangupCause, Reply};
use uuid::Uuid;

use super::connection::PROBE;
use crate::call::{FarLegEvent, NearLegEvent};
use crate::outcome::Refusal;
use crate::rtp_stats::RtpStats;
use crate::run_id::FIRST_PROBE;
use crate::run_id::RunId;

/// The variable of a far leg by which it is known (`sip_h_…`: a header that came with the INVITE).
const TRACKING: &str = "sip_h_X-loadgen-call";

/// The header that tells probes apart.
pub(super) const PROBE_ID: &str = "Loadgen-Probe";

/// What an event says that is of interest here.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum CallEvent {
    /// Something happened to the call of this attempt.
    Call(u64, NearLegEvent),
    /// Something of interest to an app alone happened to the near leg of the call of this attempt.
    Near(u64),
    /// The call of this attempt got another channel than it was to have: one with its UUID was there already.
    Stray(u64, Uuid),
    /// Something happened to a leg that is no near leg of this slave's.
    Other(Uuid, Option<FarLegEvent>),
    /// How the server is.
    ServerHealth(ServerHealth),
    /// A probe arrived: its id.
    Probe(String),
    /// Something about others.
    Nothing,
}

/// How a server is, by its HEARTBEAT or its `status`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ServerHealth {
    /// Sessions now.
    pub sessions: Option<u64>,
    /// Sessions at most.
    pub sessions_max: Option<u64>,
    /// New sessions a second at most.
    pub sessions_per_second_max: Option<u64>,
    /// Sessions since its start.
    pub sessions_since_startup: Option<u64>,
    /// The share of its processors' time that was idle, 0 to 1.
    pub idle_cpu: Option<f64>,
}

impl ServerHealth {
    /// Reads the output of `status` (`mod_commands`).
    pub(crate) fn of_status(text: &str) -> Self {
        let mut health = Self::default();
        for line in text.lines() {
            let number = line.split_whitespace().next().and_then(|word| word.parse().ok());
            if line.contains("session(s) since startup") {
                health.sessions_since_startup = number;
            } else if line.contains("session(s) - peak") {
                health.sessions = number;
            } else if let Some((_, rest)) = line.split_once("per Sec out of max ") {
                health.sessions_per_second_max = rest.split(',').next().and_then(|word| word.parse().ok());
            } else if line.contains("session(s) max") {
                health.sessions_max = number;
            } else if let Some((_, idle)) = line.split_once("idle cpu ").and_then(|(_, rest)| rest.split_once('/')) {
                health.idle_cpu = idle.trim().parse::<f64>().ok().map(|percent| percent / 100.0);
            }
        }
        health
    }
}

/// Reads an event.
pub(super) fn read(event: &Event, run: RunId, slave: usize) -> CallEvent {
    match event.name() {
        EventName::BackgroundJob => return job(event, run, slave),
        EventName::Heartbeat => return CallEvent::ServerHealth(health(event)),
        EventName::Custom if event.get("Event-Subclass").as_deref() == Some(PROBE) => {
            return event.get(PROBE_ID).map_or(CallEvent::Nothing, |id| CallEvent::Probe(id.into_owned()));
        }
        _ => {}
    }
    let Some(leg) = event.unique_id() else {
        return CallEvent::Nothing;
    };
    match run.parse(leg) {
        // What is left of a preflight's probe is nobody's.
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

/// Whether a leg came to its server: that of a bridge goes out, and carries the same header on.
pub(super) fn is_inbound(event: &Event) -> bool {
    event.get("Call-Direction").as_deref() == Some("inbound")
}

/// The call that a leg says it belongs to: its slave and its attempt.
pub(super) fn tracked(event: &Event, run: RunId) -> Option<(usize, u64)> {
    run.parse(Uuid::try_parse(&event.variable(TRACKING)?).ok()?)
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

/// What an originate's result says, or the reply to its command.
fn result(text: &str) -> Result<(), Refusal> {
    match text.strip_prefix("-ERR").or(text.strip_prefix("-USAGE:")) {
        Some(words) => Err(Refusal::of(words)),
        None => Ok(()),
    }
}

/// Whether the server refused to start the job at all.
pub(super) fn refusal(reply: &Reply) -> Option<Refusal> {
    result(&reply.text()).err()
}

fn health(event: &Event) -> ServerHealth {
    let number = |name| event.get(name).and_then(|value| value.parse().ok());
    let idle = event.get("Idle-CPU").and_then(|value| value.parse::<f64>().ok());
    ServerHealth {
        sessions: number("Session-Count"),
        sessions_max: number("Max-Sessions"),
        sessions_per_second_max: number("Session-Per-Sec"),
        sessions_since_startup: number("Session-Since-Startup"),
        idle_cpu: idle.map(|percent| percent / 100.0),
    }
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

    #[test]
    fn status_says_the_same() {
        let text = "UP 0 years, 0 days, 0 hours, 6 minutes, 43 seconds, 642 milliseconds, 7 microseconds\n\
            FreeSWITCH (Version 1.10.12-release git cc93a68 2026-08-21 14:10:14Z 64bit) is ready\n\
            31706 session(s) since startup\n2 session(s) - peak 742, last 5min 0 \n\
            1 session(s) per Sec out of max 10000, peak 9978, last 5min 0 \n1000 session(s) max\n\
            min idle cpu 0.00/99.33\nCurrent Stack Size/Max 240K/8192K\n";
        let health = ServerHealth::of_status(text);
        assert_eq!(health.sessions_since_startup, Some(31706));
        assert_eq!(health.sessions, Some(2));
        assert_eq!(health.sessions_per_second_max, Some(10000));
        assert_eq!(health.sessions_max, Some(1000));
        assert!((health.idle_cpu.unwrap() - 0.9933).abs() < 1e-9);
    }
}

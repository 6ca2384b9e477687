//! Plays what a client said to a FreeSWITCH 1.10.12 to a simulated one, at the recorded pace, and compares
//! the answers: every reply, each channel's events in order, every job's result, the headers of each kind.

#[path = "../../esl-core/tests/support/clock.rs"]
mod clock;
#[path = "support/recording.rs"]
mod recording;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
    time::Duration,
};

use clock::StoppedClock;
use fs_sim::{Config, Server};
use recording::Recording;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, tcp::OwnedReadHalf},
    task::JoinSet,
    time::{Instant, sleep_until, timeout_at},
};

/// Of the headers that a recorded kind of event has, at least this share must be there.
const HEADERS_SHARE: f64 = 0.98;

/// How long after the recording's end the last events may come.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is compared of each event of a channel.
const COMPARED: [&str; 21] = [
    "Event-Name",
    "Call-Direction",
    "Channel-Call-State",
    "Answer-State",
    "Hangup-Cause",
    "variable_hangup_cause_q850",
    "Application",
    "Application-Data",
    "Application-Response",
    "Application-UUID",
    "Application-UUID-Name",
    "Playback-File-Path",
    "Playback-Status",
    "Record-File-Path",
    "Record-Completion-Cause",
    "DTMF-Digit",
    "DTMF-Duration",
    "DTMF-Source",
    "variable_digits_dialed",
    "Other-Type",
    "Channel-State",
];

/// How the UUIDs begin that the client chose for channels.
const OWN: &str = "aaaaaaaa-0000-4000-8000-";

/// As a date in GMT begins.
const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

type Event = BTreeMap<String, String>;

/// A conversation, cut into what is compared.
#[derive(Debug, Default)]
struct Digest {
    replies: Vec<String>,
    /// By role, since the far leg's UUID is another each time: the client's own, or `far 1`, `far 2`…
    channels: BTreeMap<String, Vec<Vec<String>>>,
    /// Sorted.
    jobs: Vec<String>,
    headers: BTreeMap<String, BTreeSet<String>>,
}

impl Recording {
    /// Says the client's part to a server, and returns what it answers. What names a far leg, whose UUID is
    /// another each time, names the one at the same place instead. The pauses between what is said are the recorded ones.
    async fn play(&self, server: &Server, done: impl Fn(&str) -> bool) -> String {
        let (mut reader, mut writer) = TcpStream::connect(server.addr()).await.expect("a connection").into_split();
        let recorded_far = far_legs(&self.heard);
        let mut heard = Vec::new();
        let mut last = (Instant::now(), Duration::ZERO);
        for (at, said) in &self.said {
            read_until(&mut reader, &mut heard, last.0 + (*at - last.1)).await;
            last = (Instant::now(), *at);
            let mut said = said.clone();
            if recorded_far.iter().any(|uuid| said.contains(uuid)) {
                for (recorded, now) in recorded_far.iter().zip(far_legs(&String::from_utf8_lossy(&heard))) {
                    said = said.replace(recorded, &now);
                }
            }
            // A server that has closed the connection takes nothing more, as it should.
            if writer.write_all(said.as_bytes()).await.is_err() {
                break;
            }
        }
        let ends = last.0 + self.ends.saturating_sub(last.1);
        read_until(&mut reader, &mut heard, ends).await;
        while Instant::now() < ends + PATIENCE && !done(&String::from_utf8_lossy(&heard)) {
            if !read_until(&mut reader, &mut heard, Instant::now() + Duration::from_millis(100)).await {
                break;
            }
        }
        String::from_utf8(heard).expect("UTF-8")
    }
}

/// Reads what comes in until `until`: `false` if nothing more can come.
async fn read_until(reader: &mut OwnedReadHalf, heard: &mut Vec<u8>, until: Instant) -> bool {
    while let Ok(read) = timeout_at(until, reader.read_buf(heard)).await {
        if !read.is_ok_and(|bytes| bytes > 0) {
            sleep_until(until).await;
            return false;
        }
    }
    true
}

/// The UUIDs that the client did not choose, in the order in which they turn up.
fn far_legs(stream: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for uuid in stream.lines().filter_map(|line| line.strip_prefix("Unique-ID: ")) {
        if !uuid.starts_with(OWN) && !found.iter().any(|known| known == uuid) {
            found.push(uuid.to_owned());
        }
    }
    found
}

/// Cuts a stream into frames: headers and body.
fn frames(mut stream: &str) -> Vec<(BTreeMap<&str, &str>, &str)> {
    let mut found = Vec::new();
    while let Some((head, rest)) = stream.split_once("\n\n") {
        let headers: BTreeMap<&str, &str> = head.lines().filter_map(|line| line.split_once(": ")).collect();
        let length = headers.get("Content-Length").map_or(0, |length| length.parse().expect("a length"));
        let Some(body) = rest.get(..length) else { break };
        found.push((headers, body));
        stream = &rest[length..];
    }
    found
}

fn event(content_type: &str, body: &str) -> Option<Event> {
    match content_type {
        "text/event-plain" => {
            let (head, inner) = body.split_once("\n\n").expect("a blank line");
            let mut event: Event = head.lines().filter_map(|line| line.split_once(": ")).map(own).collect();
            event.insert("_body".to_owned(), inner.to_owned());
            Some(event)
        }
        "text/event-json" => Some(serde_json::from_str(body).expect("an object of texts")),
        "text/event-xml" => {
            let mut event: Event = body.lines().filter_map(element).map(own).collect();
            let inner = body
                .split_once("<body>")
                .and_then(|(_, rest)| rest.split_once("  </body>"))
                .map_or("", |(inner, _)| inner);
            event.insert("_body".to_owned(), inner.to_owned());
            Some(event)
        }
        _ => None,
    }
}

fn own((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// `<Name>value</Name>` on a line.
fn element(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.trim().strip_prefix('<')?.split_once('>')?;
    Some((name, rest.strip_suffix(&format!("</{name}>"))?))
}

impl Digest {
    fn new(stream: &str, said: &[(Duration, String)]) -> Digest {
        let said: String = said.iter().map(|(_, text)| text.as_str()).collect();
        let mut digest = Digest::default();
        let mut far = Vec::new();
        for (headers, body) in frames(stream) {
            let content_type = headers.get("Content-Type").copied().unwrap_or_default();
            let Some(event) = event(content_type, body) else {
                let text = headers.get("Reply-Text").copied().unwrap_or_default();
                digest.replies.push(format!("{content_type} {} {}", mask(text), mask(body)));
                continue;
            };
            let name = event["Event-Name"].clone();
            digest.headers.entry(name.clone()).or_default().extend(event.keys().cloned());
            if name == "BACKGROUND_JOB" {
                digest.jobs.push(mask(&event["_body"]));
            } else if let Some(uuid) = event.get("Unique-ID") {
                let role = if said.contains(&format!("origination_uuid={uuid}")) {
                    uuid.clone()
                } else {
                    let index = far.iter().position(|known| known == uuid).unwrap_or_else(|| {
                        far.push(uuid.clone());
                        far.len() - 1
                    });
                    format!("far {}", index + 1)
                };
                let values = COMPARED.map(|header| match event.get(header) {
                    // One that the client did not choose is another each time.
                    Some(value) if header == "Application-UUID" && !said.contains(value.as_str()) => mask(value),
                    Some(value) => value.clone(),
                    None => String::new(),
                });
                digest.channels.entry(role).or_default().push(values.to_vec());
            }
        }
        digest.jobs.sort();
        digest
    }

    fn events(&self) -> usize {
        self.channels.values().map(Vec::len).sum()
    }
}

/// Replaces what a FreeSWITCH decides anew each time: UUIDs and numbers, and whether it was one second or two.
fn mask(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_inclusive(|c: char| !(c.is_ascii_alphanumeric() || c == '-')) {
        let bare = word.trim_end_matches(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        let dashes = bare.len() == 36 && bare.bytes().filter(|byte| *byte == b'-').count() == 4;
        if dashes {
            out.push_str("<uuid>");
            out.push_str(&word[bare.len()..]);
        } else {
            let mut in_number = false;
            for c in word.chars() {
                if !c.is_ascii_digit() {
                    out.push(c);
                } else if !in_number {
                    out.push('#');
                }
                in_number = c.is_ascii_digit();
            }
        }
    }
    for day in ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"] {
        out = out.replace(&format!("{day},"), "day,");
    }
    for (name, masked) in WEEKDAYS.map(|name| (format!("{name},"), "<day>,")) {
        out = out.replace(&name, masked);
    }
    for unit in ["year", "day", "hour", "minute", "second", "microsecond", "millisecond"] {
        out = out.replace(&format!("{unit}s"), unit);
    }
    // Percent-encoded or not.
    MONTHS.iter().fold(out, |out, name| {
        out.replace(&format!("# {name} #"), "# <month> #").replace(&format!("%#{name}%#"), "%#<month>%#")
    })
}

/// As they stand between the day and the year.
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

async fn start() -> Server {
    let hostname = "vm".to_owned();
    let config = Config { max_sessions: 10_000, sessions_per_second: 10_000, hostname, ..Config::default() };
    Server::start(config).await.expect("a server")
}

async fn agrees(name: &'static str) {
    let recording = Recording::load(name);
    let server = start().await;
    let wanted = Digest::new(&recording.heard, &recording.said);
    let complete = |stream: &str| {
        let got = Digest::new(stream, &recording.said);
        got.events() >= wanted.events()
            && got.jobs.len() >= wanted.jobs.len()
            && got.replies.len() >= wanted.replies.len()
    };
    let got = Digest::new(&recording.play(&server, complete).await, &recording.said);
    server.stop().await;

    assert_eq!(got.replies, wanted.replies, "{name}: replies");
    channels_agree(name, &got, &wanted);
    assert_eq!(got.jobs, wanted.jobs, "{name}: results of jobs");
    headers_are_there(name, &got, &wanted);
}

/// Each channel's events, one after the other: the first that differs is told, since there are many.
fn channels_agree(name: &str, got: &Digest, wanted: &Digest) {
    let nothing = Vec::new();
    for (role, events) in &wanted.channels {
        let got = got.channels.get(role).unwrap_or(&nothing);
        for (index, (got, wanted)) in got.iter().zip(events).enumerate() {
            assert_eq!(got, wanted, "{name}: event {index} of {role}");
        }
        let names = |events: &[Vec<String>]| events.iter().map(|event| event[0].clone()).collect::<Vec<_>>();
        assert_eq!(names(got), names(events), "{name}: events of {role}");
    }
    assert_eq!(got.channels.len(), wanted.channels.len(), "{name}: channels");
}

fn headers_are_there(name: &str, got: &Digest, wanted: &Digest) {
    for (kind, headers) in &wanted.headers {
        let lacking: Vec<&String> = headers.difference(got.headers.get(kind).expect("an event of this kind")).collect();
        let share = 1.0 - lacking.len() as f64 / headers.len() as f64;
        assert!(share >= HEADERS_SHARE, "{name}: {kind} has {share:.3} of the recorded headers and lacks {lacking:?}");
    }
}

/// The conversations that must come out the same, all but the heartbeat's.
const RECORDINGS: &[&str] = &[
    "api-fsctl",
    "api-replies",
    "api-show",
    "api-sofia",
    "api-text",
    "api-uuid-errors",
    "auth-command-before-auth",
    "auth-ok-then-exit",
    "auth-wrong-password",
    "bert",
    "bert-lost-sync",
    "bgapi-and-job-uuid",
    "bridge-a-leg-ends",
    "bridge-b-leg-ends",
    "bridge-codec-mismatch",
    "bridge-display",
    "bridge-execute-inside",
    "bridge-fails",
    "bridge-fails-and-goes-on",
    "bridge-hangup-after",
    "bridge-loopback",
    "bridge-null",
    "bridge-park-answers",
    "bridge-race-and-cancel",
    "bridge-transfer",
    "bridge-transfer-bleg",
    "deflect",
    "digits-collected",
    "disconnect-with-linger",
    "dtmf",
    "dtmf-echo",
    "dtmf-park",
    "event-subscription",
    "execute-in-bleg",
    "execute-while-ringing",
    "hold",
    "hupall-by-variable",
    "limit-max-sessions",
    "limit-sessions-per-second",
    "log-stream",
    "media-bugs",
    "myevents-own-kill",
    "originate-all-events",
    "originate-answer-hangup-json",
    "originate-answer-hangup-plain",
    "originate-answer-hangup-xml",
    "originate-callee-hangs-up",
    "originate-forked",
    "originate-invalid-gateway-profile",
    "originate-loopback-and-null",
    "originate-no-answer-timeout",
    "originate-no-route",
    "originate-null-to-extensions",
    "originate-ring-then-answer",
    "originate-to-dialplan-extension",
    "originate-user-busy",
    "park-execute-answer",
    "park-execute-early-media",
    "park-profile-answered-by-command",
    "park-respond",
    "park-uuid-answer",
    "percent-encoding-and-unicode",
    "playback-lists",
    "private-command",
    "record",
    "refusing-endpoints",
    "sched-api-broadcast-transfer",
    "sched-hangup",
    "sendmsg-after-hangup",
    "sendmsg-errors",
    "sendmsg-execute-killed",
    "sendmsg-execute-playback",
    "sendmsg-execute-two-nested",
    "sendmsg-execute-two-queued",
    "sendmsg-hangup",
    "sendmsg-hangup-in-queue",
    "speak-respond-null",
    "transfer-both",
    "twenty-calls-burst",
    "uuid-break",
    "uuid-break-dialplan",
    "uuid-bridge",
    "uuid-bridge-a-ends",
    "uuid-bridge-states",
    "uuid-bridge-unready",
    "uuid-broadcast",
    "uuid-commands",
    "uuid-commands-sip",
    "uuid-dump",
    "uuid-park",
    "uuid-transfer",
    "variables",
];

/// All at the same time, on a clock that waits for what is said and answered.
#[tokio::test]
async fn replayed_recordings_are_answered_as_they_were() {
    let mut playing = JoinSet::new();
    let names: HashMap<_, _> =
        RECORDINGS.iter().copied().map(|name| (playing.spawn(agrees(name)).id(), name)).collect();
    let mut differing = Vec::new();
    let all = async {
        while let Some(played) = playing.join_next().await {
            differing.extend(played.err().and_then(|error| names.get(&error.id()).copied()));
        }
    };
    StoppedClock::new().run(all).await;
    assert!(differing.is_empty(), "these do not agree, as the messages above say: {differing:?}");
}

#[test]
fn every_recording_is_played() {
    let played: BTreeSet<String> =
        RECORDINGS.iter().copied().chain(["heartbeat"]).map(|name| format!("{name}.jsonl")).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings");
    let entries = std::fs::read_dir(folder).expect("a folder");
    let there: BTreeSet<String> = entries
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        // What lies in folders is played elsewhere: connections that the server makes, copies of SIP messages.
        .filter(|name| name.ends_with(".jsonl"))
        .collect();
    assert_eq!(played, there);
}

/// The recorded server's heartbeat came after eight seconds; this one's comes every 100 ms.
#[tokio::test]
async fn replayed_heartbeat_has_the_recorded_headers() {
    let mut recording = Recording::load("heartbeat");
    for (at, _) in &mut recording.said {
        *at /= 10;
    }
    recording.ends = Duration::from_millis(100);
    let config = Config { heartbeat: Duration::from_millis(100), ..Config::default() };
    let server = Server::start(config).await.expect("a server");
    let played = recording.play(&server, |stream| stream.contains("Idle-CPU"));
    let heard = StoppedClock::new().run(played).await;
    let (got, wanted) = (Digest::new(&heard, &recording.said), Digest::new(&recording.heard, &recording.said));
    assert_eq!(got.replies, wanted.replies);
    headers_are_there("heartbeat", &got, &wanted);
}

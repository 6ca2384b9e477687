//! Plays what clients said on connections that a FreeSWITCH 1.10.12 made to them (the application `socket`) to a
//! simulated one: every frame must come, in the recorded order, with the recorded headers.

#[path = "../../esl-core/tests/support/clock.rs"]
mod clock;
#[path = "support/recording.rs"]
mod recording;

use std::{fmt, time::Duration};

use clock::StoppedClock;
use fs_sim::{Config, Server};
use recording::Recording;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep_until, timeout},
};

/// How long after the recording's end the last frames may come.
const PATIENCE: Duration = Duration::from_secs(3);

const UUID: &str = "eeeeeeee-0000-4000-8000-000000000001";

/// Headers whose values are new each time, whatever form they have.
const RANDOM: [&str; 18] = [
    "FreeSWITCH-Hostname",
    "FreeSWITCH-IPv4",
    "FreeSWITCH-IPv6",
    "Event-Date-Local",
    "Event-Date-GMT",
    "Event-Calling-Line-Number",
    "variable_sip_to_tag",
    "variable_sip_from_tag",
    "variable_sip_full_to",
    "variable_sip_full_from",
    "variable_sip_full_via",
    "variable_sip_recover_via",
    "variable_start_stamp",
    "variable_profile_start_stamp",
    "variable_answer_stamp",
    "variable_end_stamp",
    "variable_sip_call_id",
    "variable_sip_user_agent",
];

impl Recording {
    /// The value of a header of the first frame, decoded as far as these need it.
    fn channel_says(&self, name: &str) -> String {
        let start = format!("{name}: ");
        let value = self.heard.lines().find_map(|line| line.strip_prefix(&start)).expect("a header");
        value.replace("%20", " ").replace("%3A", ":").replace("%40", "@")
    }
}

/// A stream's frames as what is compared: the lines of their headers and bodies, but lengths. Where an event ends
/// is read from the event: names in the recordings are not all as long as they were.
fn frames(stream: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut rest = stream;
    while let Some((head, after)) = rest.split_once("\n\n") {
        let kind = head.lines().find_map(|line| line.strip_prefix("Content-Type: ")).unwrap_or_default();
        let mut lines: Vec<String> = head.lines().map(mask).collect();
        rest = match kind {
            "text/event-plain" => {
                let Some((event, next)) = after.split_once("\n\n") else { break };
                lines.extend(event.lines().map(mask));
                next
            }
            "text/event-json" => {
                let mut events = serde_json::Deserializer::from_str(after).into_iter::<Event>();
                let Some(Ok(event)) = events.next() else { break };
                lines.extend(event.0.iter().map(|(name, value)| mask(&format!("{name}: {value}"))));
                &after[events.byte_offset()..]
            }
            _ => {
                let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
                let length = length.map_or(0, |length| length.parse().expect("a length"));
                let Some(body) = after.get(..length) else { break };
                lines.extend(body.lines().map(mask));
                &after[length..]
            }
        };
        lines.retain(|line| !line.starts_with("Content-Length: "));
        found.push(lines);
    }
    found
}

/// A JSON event's names and values in its order, which a map would not keep.
struct Event(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Event, D::Error> {
        struct Headers;
        impl<'de> Visitor<'de> for Headers {
            type Value = Event;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Event, A::Error> {
                let mut headers = Vec::new();
                while let Some(header) = map.next_entry()? {
                    headers.push(header);
                }
                Ok(Event(headers))
            }
        }
        deserializer.deserialize_map(Headers)
    }
}

/// What a FreeSWITCH decides anew each time: numbers, UUIDs but the client's own, and the values of [`RANDOM`].
fn mask(line: &str) -> String {
    let Some((name, value)) = line.split_once(": ") else { return line.to_owned() };
    if RANDOM.contains(&name) {
        return format!("{name}: *");
    }
    if value == UUID || name == "Application-UUID" && value.starts_with("ffffffff") {
        return line.to_owned();
    }
    let is_uuid = value.len() == 36 && value.bytes().filter(|byte| *byte == b'-').count() == 4;
    if is_uuid {
        return format!("{name}: <uuid>");
    }
    let mut out = format!("{name}: ");
    let mut in_number = false;
    for c in value.chars() {
        if !c.is_ascii_digit() {
            out.push(c);
        } else if !in_number {
            out.push('#');
        }
        in_number = c.is_ascii_digit();
    }
    out
}

/// The name of each frame, to see at a glance where two conversations part.
fn summary(frames: &[Vec<String>]) -> Vec<String> {
    let shown = ["Event-Name: ", "Application: ", "Reply-Text: ", "Content-Disposition: ", "Channel-State: "];
    let lines = |frame: &Vec<String>| {
        let lines = frame.iter().filter(|line| shown.iter().any(|start| line.starts_with(start)));
        lines.cloned().collect::<Vec<_>>().join(", ")
    };
    frames.iter().map(lines).collect()
}

async fn control(server: &Server, command: &str) -> String {
    let mut stream = TcpStream::connect(server.addr()).await.expect("a connection");
    stream.write_all(format!("auth ClueCon\n\n{command}\n\nexit\n\n").as_bytes()).await.expect("an open connection");
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.expect("UTF-8");
    heard
}

/// Says the client's part to a server that connects to it, and returns what it hears. `killed` is when somebody
/// else hangs the channel up.
async fn play(recording: &Recording, killed: Option<Duration>) -> String {
    // These were recorded on a server as it starts.
    let server = Server::start(Config { verbose_events: false, ..Config::default() }).await.expect("a server");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let callee = recording.channel_says("Channel-Name");
    let data = recording.channel_says("variable_current_application_data").replace("8084", &port.to_string());
    let originate = format!(
        "api originate {{origination_uuid={UUID},ignore_early_media=true,note='a b'}}{callee} '&socket({data})'"
    );
    let reply = control(&server, &originate).await;
    assert!(reply.contains("+OK eeeeeeee"), "{reply}");
    let (stream, _) = timeout(PATIENCE, listener.accept()).await.expect("a connection in time").expect("a connection");
    let (mut reader, mut writer) = stream.into_split();
    let began = Instant::now();
    let said = recording.said.clone();
    let saying = tokio::spawn(async move {
        for (at, text) in said {
            sleep_until(began + at).await;
            if writer.write_all(text.as_bytes()).await.is_err() {
                break;
            }
        }
        writer
    });
    let wanted = frames(&recording.heard).len();
    let mut heard = Vec::new();
    let hearing = async {
        while frames(&String::from_utf8_lossy(&heard)).len() < wanted {
            if reader.read_buf(&mut heard).await.expect("a stream") == 0 {
                return;
            }
        }
    };
    let killing = async {
        if let Some(at) = killed {
            sleep_until(began + at).await;
            control(&server, &format!("api uuid_kill {UUID}")).await;
        }
    };
    let _ = timeout(recording.ends + PATIENCE, async { tokio::join!(hearing, killing) }).await;
    // Where the server does not close the connection, the client still listens for what should not come.
    let _ = timeout(Duration::from_millis(100), reader.read_to_end(&mut heard)).await;
    drop(saying.await);
    server.stop().await;
    String::from_utf8(heard).expect("UTF-8")
}

async fn agrees(name: &str, killed: Option<Duration>) {
    let recording = Recording::load(&format!("outbound/{name}"));
    let played = StoppedClock::new().run(play(&recording, killed)).await;
    let (mut got, mut wanted) = (frames(&played), frames(&recording.heard));
    if killed.is_some() {
        // A connection looks at its channel every 20 ms: how much it has heard by then of one that somebody else has
        // killed is chance, from CHANNEL_HANGUP up to CHANNEL_HANGUP_COMPLETE.
        let shorter = got.len().min(wanted.len());
        for heard in [&mut got, &mut wanted] {
            let notice = heard.pop();
            assert!(summary(heard).iter().any(|frame| frame.starts_with("Event-Name: CHANNEL_HANGUP,")), "{name}");
            heard.truncate(shorter - 1);
            heard.extend(notice);
        }
    }
    assert_eq!(summary(&got), summary(&wanted), "{name}: frames and their order");
    for (index, (got, wanted)) in got.iter().zip(&wanted).enumerate() {
        let lacking: Vec<_> = wanted.iter().filter(|line| !got.contains(line)).collect();
        let more: Vec<_> = got.iter().filter(|line| !wanted.contains(line)).collect();
        assert!(lacking.is_empty() && more.is_empty(), "{name}: frame {index} lacks {lacking:#?} and has {more:#?}");
        assert_eq!(got, wanted, "{name}: frame {index}: the order of headers");
    }
}

#[tokio::test]
async fn replayed_async_full_conversation_agrees() {
    agrees("async-full", None).await;
}

#[tokio::test]
async fn replayed_async_conversation_without_full_agrees() {
    agrees("async-without-full", None).await;
}

#[tokio::test]
async fn replayed_sync_conversation_agrees() {
    agrees("sync", None).await;
}

#[tokio::test]
async fn replayed_linger_after_the_far_end_s_hangup_agrees() {
    agrees("far-end-hangs-up-with-linger", None).await;
}

#[tokio::test]
async fn replayed_kill_without_linger_agrees() {
    agrees("hangup-without-linger", Some(Duration::from_millis(790))).await;
}

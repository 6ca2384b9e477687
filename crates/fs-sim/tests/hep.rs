//! Copies of SIP messages: a capture server gets from the simulated server what it got from a recorded FreeSWITCH, message
//! by message, chunk by chunk, header by header.

#[path = "support/capture.rs"]
mod capture;

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, SystemTime},
};

use capture::{Copy, Listener};
use fs_sim::{Config, Hep, Server, Servers};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// What was called in the recording, by the call's number: those calls that ended while it ran.
const CALLED: [(&str, &str); 3] = [("3", "486"), ("7", "drop400"), ("9", "nobody")];

/// Those that were answered or given up, and ended by their caller.
const UP: [(&str, &str); 4] = [("0", "9196"), ("2", "ring300"), ("4", "early250"), ("6", "noanswer")];

const PATIENCE: Duration = Duration::from_secs(20);

fn call(number: &str) -> String {
    format!("cccccccc-0000-4000-8000-{number:0>12}")
}

fn recorded() -> Vec<Copy> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings/hep/datagrams.jsonl");
    let text = std::fs::read_to_string(path).expect("the recording");
    let hex = |line: &str| -> Vec<u8> {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let hex = line["hex"].as_str().expect("hexadecimal").as_bytes();
        hex.chunks(2)
            .map(|two| u8::from_str_radix(std::str::from_utf8(two).expect("ASCII"), 16).expect("hex"))
            .collect()
    };
    text.lines().map(|line| Copy::decode(&hex(line)).expect("HEP")).collect()
}

/// The copies of each call, by `X-loadgen-call` of its INVITE.
fn by_call(copies: Vec<Copy>) -> BTreeMap<String, Vec<Copy>> {
    let mut names = BTreeMap::new();
    let mut calls: BTreeMap<String, Vec<Copy>> = BTreeMap::new();
    for copy in copies {
        let id = copy.header("Call-ID").expect("a Call-ID").to_owned();
        if let Some(name) = copy.header("X-loadgen-call") {
            names.insert(id.clone(), name.to_owned());
        }
        calls.entry(names[&id].clone()).or_default().push(copy);
    }
    calls
}

/// The different messages in their order, each with how often it was copied.
fn messages(copies: &[Copy]) -> Vec<(String, usize)> {
    let mut found: Vec<(String, usize)> = Vec::new();
    for copy in copies {
        let text = copy.masked();
        match found.iter_mut().find(|(known, _)| *known == text) {
            Some(known) => known.1 += 1,
            None => found.push((text, 1)),
        }
    }
    found
}

async fn say(stream: &mut TcpStream, line: &str) {
    stream.write_all(format!("{line}\n\n").as_bytes()).await.expect("sent");
}

async fn client(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(server.addr()).await.expect("a connection");
    say(&mut stream, "auth ClueCon").await;
    stream
}

fn originate(number: &str, called: &str) -> String {
    let uuid = format!("aaaaaaaa-0000-4000-8000-{number:0>12}");
    let call = call(number);
    let variables = format!("ignore_early_media=true,origination_uuid={uuid},sip_h_X-loadgen-call={call}");
    format!("api bgapi originate {{{variables}}}sofia/external/{called} &park()")
}

#[tokio::test]
async fn copies_are_the_recorded_ones() {
    let listener = Listener::bind().await;
    let config = Config { sessions_per_second: 1_000, hep: Some(Hep::new(listener.address())), ..Config::default() };
    let server = Server::start(config).await.expect("a server");
    let mut client = client(&server).await;
    for (number, called) in CALLED.iter().chain(&UP) {
        say(&mut client, &originate(number, &format!("{called}@127.0.0.1:5080"))).await;
    }
    // An answered one each has both sides' 200 and ACK; then the callers hang up.
    let answered = |copies: &[Copy]| copies.iter().filter(|copy| copy.text.starts_with("ACK ")).count() >= 2 * 6;
    listener.until(PATIENCE, answered).await;
    for (number, _) in UP {
        say(&mut client, &format!("api uuid_kill aaaaaaaa-0000-4000-8000-{number:0>12} NO_ANSWER")).await;
    }
    let ended = |copies: &[Copy]| {
        let count = |start: &str| copies.iter().filter(|copy| copy.text.starts_with(start)).count();
        count("BYE ") == 2 * 4 && count("SIP/2.0 487") == 2 && count("ACK ") == 2 * 7 && count("SIP/2.0 200") == 2 * 9
    };
    let got = by_call(listener.until(PATIENCE, ended).await);
    server.stop().await;

    let wanted = by_call(recorded());
    for (number, called) in CALLED {
        assert_eq!(messages(&got[&call(number)]), messages(&wanted[&call(number)]), "{called}");
    }
    for (number, called) in UP {
        let (got, mut wanted) = (messages(&got[&call(number)]), messages(&wanted[&call(number)]));
        // The recording ends with both sides' BYE at once; what is left of it here begins as it did.
        wanted.retain(|(text, _)| !text.starts_with("BYE sip:mod_sofia"));
        let to_bye = |messages: &[(String, usize)]| -> Vec<(String, usize)> {
            messages.iter().take_while(|(text, _)| !text.starts_with("BYE ")).cloned().collect()
        };
        assert_eq!(to_bye(&got), to_bye(&wanted), "{called}");
        let bye = |messages: &[(String, usize)]| {
            messages.iter().find(|(text, _)| text.starts_with("BYE ")).map(|(text, _)| {
                text.lines().map(|line| line.split(';').next().unwrap_or(line).to_owned()).collect::<Vec<_>>()
            })
        };
        let mut got_bye = bye(&got);
        for line in got_bye.iter_mut().flatten().filter(|line| line.starts_with("Reason")) {
            "Reason: Q.850".clone_into(line);
        }
        if let Some(wanted_bye) = bye(&wanted) {
            assert_eq!(got_bye.as_ref(), Some(&wanted_bye), "{called}");
        }
    }
}

#[tokio::test]
async fn copies_carry_the_times_of_their_messages() {
    let listener = Listener::bind().await;
    let config = Config { hep: Some(Hep::new(listener.address())), ..Config::default() };
    let server = Server::start(config).await.expect("a server");
    let mut client = client(&server).await;
    let asked = SystemTime::now();
    say(&mut client, &originate("1", "early250@127.0.0.1:5080")).await;
    let up = |copies: &[Copy]| copies.iter().filter(|copy| copy.text.starts_with("ACK ")).count() == 2;
    let copies = listener.until(PATIENCE, up).await;
    let seen = SystemTime::now();
    server.stop().await;
    let first = |start: &str| {
        let copy = copies.iter().find(|copy| copy.text.starts_with(start)).expect(start);
        Duration::from_secs(copy.seconds.into()) + Duration::from_micros(copy.microseconds.into())
    };
    let waited = first("SIP/2.0 200") - first("SIP/2.0 183");
    assert_eq!(waited, Duration::from_millis(250), "as configured, however late the machine was for it");
    let since_1970 = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let sent = first("INVITE");
    assert!((since_1970(asked)..=since_1970(seen)).contains(&sent), "{sent:?} is not between {asked:?} and {seen:?}");
    let mut sorted: Vec<_> = copies.iter().map(|copy| (copy.seconds, copy.microseconds)).collect();
    let arrived = sorted.clone();
    sorted.sort_unstable();
    assert_eq!(arrived, sorted, "copies come in the order of their times");
}

#[tokio::test]
async fn captures_are_turned_off_and_on() {
    let listener = Listener::bind().await;
    let config = Config { hep: Some(Hep::new(listener.address())), ..Config::default() };
    let server = Server::start(config).await.expect("a server");
    let mut client = client(&server).await;
    // The far side's alone is captured, then nobody's, then both sides'.
    let up = |copies: &[Copy]| copies.iter().filter(|copy| copy.text.starts_with("ACK ")).count();
    say(&mut client, "api sofia profile external capture off").await;
    say(&mut client, &originate("1", "486@127.0.0.1:5090")).await;
    server.wait_for(PATIENCE, |state| state.channels == 2).await.expect("a call");
    assert_eq!(messages(&listener.until(PATIENCE, |copies| copies.len() == 2).await).len(), 2);
    say(&mut client, "api sofia global capture off").await;
    say(&mut client, &originate("2", "486@127.0.0.1:5080")).await;
    server.wait_for(PATIENCE, |state| state.sessions_since_startup == 4 && state.channels == 2).await.expect("a call");
    say(&mut client, "api sofia global capture on").await;
    say(&mut client, &originate("3", "486@127.0.0.1:5080")).await;
    let copies = listener.until(PATIENCE, |copies| up(copies) == 2).await;
    assert_eq!(copies.iter().filter(|copy| copy.header("X-loadgen-call").is_some_and(|id| id == call("2"))).count(), 0);
    server.stop().await;
}

#[tokio::test]
async fn a_copy_names_the_call_that_the_events_name() {
    let listener = Listener::bind().await;
    let hep = Some(Hep { capture_id: 7, ..Hep::new(listener.address()) });
    let configs = ["fs1", "fs2"].map(|name| Config { name: name.to_owned(), hep: hep.clone(), ..Config::default() });
    let servers = Servers::start_each(configs).await.expect("servers");
    let mut client = client(&servers[0]).await;
    say(&mut client, "event plain CHANNEL_PARK").await;
    say(&mut client, &originate("1", "9196@10.0.0.2:5080")).await;
    let up = |copies: &[Copy]| copies.iter().filter(|copy| copy.text.starts_with("ACK ")).count() == 2;
    let copies = listener.until(PATIENCE, up).await;
    let mut heard = String::new();
    while !heard.contains("variable_sip_call_id: ") {
        let mut bytes = [0; 4096];
        let count = client.read(&mut bytes).await.expect("an event");
        assert!(count > 0, "{heard}");
        heard.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    let id = copies[0].header("Call-ID").expect("a Call-ID");
    assert!(heard.contains(&format!("variable_sip_call_id: {id}\n")), "{id}: {heard}");
    for copy in &copies {
        assert_eq!((copy.header("Call-ID"), copy.capture_id), (Some(id), 7));
        let (near, far) = (("10.0.0.1".parse().expect("near"), 5080), ("10.0.0.2".parse().expect("far"), 5080));
        let is_near = copy.text.starts_with("INVITE") || copy.text.starts_with("ACK");
        assert_eq!((copy.from, copy.to), if is_near { (near, far) } else { (far, near) });
    }
    // Each side of the two copies each of INVITE, 100, 200 and ACK once.
    assert_eq!(messages(&copies).iter().map(|(_, count)| *count).collect::<Vec<_>>(), [2; 4]);
    servers.stop().await;
}

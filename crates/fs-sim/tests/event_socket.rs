//! The Event Socket's own commands, byte for byte as a FreeSWITCH 1.10.12 answered the same bytes.

use std::time::Duration;

use fs_sim::{Config, Server, User};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Long enough for anything that is to happen, on a machine that does other things too.
const SOON: Duration = Duration::from_secs(10);

const GOODBYE: &str = "Content-Type: text/disconnect-notice\nContent-Length: 67\n\nDisconnected, goodbye.\nSee you at \
                       ClueCon! http://www.cluecon.com/\n";

const CHANNEL: &str = "aaaaaaaa-0000-4000-8000-000000000001";

async fn start(users: Vec<User>) -> Server {
    // Events come with the reply of the command behind them, never between two.
    let config =
        Config { event_delay: Duration::from_secs(3_600), heartbeat: Duration::ZERO, users, ..Config::default() };
    Server::start(config).await.expect("a server")
}

struct Client {
    stream: TcpStream,
    heard: Vec<u8>,
}

impl Client {
    /// A connection that has been greeted.
    async fn greeted(server: &Server) -> Client {
        let stream = TcpStream::connect(server.addr()).await.expect("a connection");
        let mut client = Client { stream, heard: Vec::new() };
        client.hears("Content-Type: auth/request\n\n").await;
        client
    }

    async fn login(server: &Server) -> Client {
        let mut client = Client::greeted(server).await;
        client.asks("auth ClueCon", "+OK accepted").await;
        client
    }

    async fn says(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.expect("an open connection");
    }

    /// Reads just `text`.
    async fn hears(&mut self, text: &str) {
        let read = timeout(SOON, async {
            while self.heard.len() < text.len() && self.stream.read_buf(&mut self.heard).await.expect("a stream") > 0 {}
        });
        let in_time = read.await.is_ok();
        let rest = self.heard.split_off(text.len().min(self.heard.len()));
        let heard = std::mem::replace(&mut self.heard, rest);
        assert_eq!(String::from_utf8_lossy(&heard), text, "in time: {in_time}");
    }

    /// Asks for events until `text` is among what has been heard, and returns all of it.
    async fn hears_sometime(&mut self, text: &str) -> String {
        let heard = timeout(SOON, async {
            while !String::from_utf8_lossy(&self.heard).contains(text) {
                // Any command ends a turn; a server that has said its last takes none.
                let _ = self.stream.write_all(b"noop\n\n").await;
                let read = self.stream.read_buf(&mut self.heard).await;
                assert!(read.is_ok_and(|read| read > 0), "an end in {:?}", String::from_utf8_lossy(&self.heard));
            }
        });
        let in_time = heard.await.is_ok();
        let heard = String::from_utf8(std::mem::take(&mut self.heard)).expect("UTF-8");
        assert!(in_time, "no {text} in {:?}", heard.get(..2_000).unwrap_or(&heard));
        heard
    }

    /// Says a command that is answered with this text.
    async fn asks(&mut self, command: &str, reply: &str) {
        self.says(&format!("{command}\n\n")).await;
        self.hears(&format!("Content-Type: command/reply\nReply-Text: {reply}\n\n")).await;
    }

    async fn calls(&mut self, command: &str, output: &str) {
        self.says(&format!("api {command}\n\n")).await;
        self.hears(&format!("Content-Type: api/response\nContent-Length: {}\n\n{output}", output.len())).await;
    }

    async fn hears_the_end(&mut self) {
        timeout(SOON, self.stream.read_to_end(&mut self.heard)).await.expect("an end").expect("a stream");
        assert_eq!(String::from_utf8_lossy(&self.heard), "");
    }

    /// The values of a header in the events that have come with a reply that is asked for now.
    async fn events(&mut self, header: &str) -> Vec<String> {
        self.says("noop\n\napi echo end\n\n").await;
        let heard = timeout(SOON, async {
            while !String::from_utf8_lossy(&self.heard).contains("\n\nend") {
                assert_ne!(self.stream.read_buf(&mut self.heard).await.expect("a stream"), 0);
            }
        });
        heard.await.expect("events in time");
        // The events come when there is nothing more to answer.
        self.says("noop\n\n").await;
        let more = timeout(SOON, async {
            while String::from_utf8_lossy(&self.heard).matches("command not found\n\n").count() < 2 {
                assert_ne!(self.stream.read_buf(&mut self.heard).await.expect("a stream"), 0);
            }
        });
        more.await.expect("a reply in time");
        let heard = String::from_utf8(std::mem::take(&mut self.heard)).expect("UTF-8");
        let start = format!("{header}: ");
        heard.lines().filter_map(|line| line.strip_prefix(&start)).map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn who_fails_is_out_and_who_says_something_else_may_try_again() {
    let server = start(Vec::new()).await;
    for command in ["auth nonsense", "auth ClueCon ", "auth ", "userauth joe@home:x", "userauth ", "userauth joe"] {
        let mut client = Client::greeted(&server).await;
        client.asks(command, "-ERR invalid").await;
        client.hears(GOODBYE).await;
        client.hears_the_end().await;
    }
    let mut client = Client::greeted(&server).await;
    for command in ["api status", "auth", "event plain ALL"] {
        client.asks(command, "-ERR command not found").await;
    }
    client.asks("AUTH ClueCon", "+OK accepted").await;
    client.asks("auth ClueCon", "-ERR command not found").await;
    client.asks("exit", "+OK bye").await;
    client.hears(GOODBYE).await;
    client.hears_the_end().await;
}

#[tokio::test]
async fn a_user_may_what_the_directory_says() {
    let user = |name: &str| User {
        name: name.to_owned(),
        domain: "home".to_owned(),
        password: "s".to_owned(),
        ..User::default()
    };
    let some = User {
        allowed_events: Some("CHANNEL_PARK,HEARTBEAT,CUSTOM,demo::one".to_owned()),
        allowed_api: Some("status,bgapi,echo".to_owned()),
        allowed_log: false,
        ..user("some")
    };
    let server = start(vec![user("all"), some, User { password: String::new(), ..user("none") }]).await;

    for login in ["all@home:s", "all:s@home", "ALL@HOME:s"] {
        let mut all = Client::greeted(&server).await;
        let reply = "+OK accepted\nAllowed-Events: all\nAllowed-API: all\nAllowed-LOG: true";
        all.asks(&format!("userauth {login}"), reply).await;
        all.asks("log 3", "+OK log level 3 [3]").await;
        all.calls("echo x", "x").await;
    }
    for login in ["none@home:", "none@home", "all@away:s", "all@home:x"] {
        let mut nobody = Client::greeted(&server).await;
        nobody.asks(&format!("userauth {login}"), "-ERR invalid").await;
        nobody.hears(GOODBYE).await;
    }

    let mut some = Client::greeted(&server).await;
    let reply = "+OK accepted\nAllowed-Events: CHANNEL_PARK,HEARTBEAT,CUSTOM,demo::one\n\
                 Allowed-API: status,bgapi,echo\nAllowed-LOG: false";
    some.asks("userauth some@home:s", reply).await;
    for (command, reply) in [
        ("log 3", "-ERR permission denied"),
        ("nolog", "-ERR not loging"),
        ("api ECHO x", "-ERR permission denied"),
        ("api show calls", "-ERR permission denied"),
        ("bgapi show calls", "-ERR permission denied"),
        ("api bgapi uuid:1 echo", "-ERR permission denied"),
        ("event plain CHANNEL_PARK", "+OK event listener enabled plain"),
        ("event plain CHANNEL_ANSWER", "-ERR permission denied"),
        ("event json ALL", "-ERR permission denied"),
        ("event CUSTOM demo::one", "+OK event listener enabled json"),
        ("event HEARTBEAT CUSTOM demo::two", "-ERR permission denied"),
    ] {
        some.asks(command, reply).await;
    }
    some.calls("echo x", "x").await;
}

#[tokio::test]
async fn a_long_welcome_loses_its_blank_line() {
    let names: Vec<String> = (0..60).map(|number| format!("command_{number:02}")).collect();
    let user = User {
        name: "long".to_owned(),
        domain: "home".to_owned(),
        password: "l".to_owned(),
        allowed_api: Some(names.join(",")),
        ..User::default()
    };
    let server = start(vec![user]).await;
    let mut client = Client::greeted(&server).await;
    client.says("userauth long@home:l\n\n").await;
    let whole = format!("Reply-Text: +OK accepted\nAllowed-Events: all\nAllowed-API: {}", names.join(","));
    client.hears(&format!("Content-Type: command/reply\n{}", &whole[..510])).await;
    client.asks("noop", "-ERR command not found").await;
}

#[tokio::test]
async fn commands_that_change_the_connection_alone() {
    let server = start(Vec::new()).await;
    let mut client = Client::login(&server).await;
    for (command, reply) in [
        ("noop", "-ERR command not found"),
        ("api", "-ERR command not found"),
        ("bgapi", "-ERR command not found"),
        ("log", "+OK log level  [7]"),
        ("log 7 x", "+OK log level 7 [7]"),
        ("log 99", "+OK log level 99 [63]"),
        ("log -1", "+OK log level -1 [0]"),
        ("log 4.5", "+OK log level 4.5 [4]"),
        ("log DISABLE", "+OK log level DISABLE [-1]"),
        ("log  err", "+OK log level err [3]"),
        ("logfoo", "-ERR invalid log level"),
        ("nolog", "+OK no longer logging"),
        ("nolog", "-ERR not loging"),
        ("event", "-ERR no keywords supplied"),
        ("event SWITCH_EVENT_HEARTBEAT", "+OK event listener enabled plain"),
        ("event xml  HEARTBEAT", "+OK event listener enabled xml"),
        ("eventjson foo HEARTBEAT", "+OK event listener enabled xml"),
        ("EVENT JSON heartbeat", "+OK event listener enabled json"),
        ("nixevent plain", "-ERR no keywords supplied"),
        ("noevents", "+OK no longer listening for events"),
        ("noevents", "-ERR not listening for events"),
        ("filter", "-ERR command not found"),
        ("filter ", "-ERR invalid syntax"),
        ("filter add X", "+OK filter added. [X]=[(null)]"),
        ("filter delete  all", "+OK filter deleted. [][all]"),
        ("linger 0", "-ERR not controlling a session"),
        ("nolinger", "-ERR not controlling a session"),
        ("divert_events on", "-ERR not controlling a session."),
        ("connect", "-ERR command not found"),
        ("getvar x", "-ERR command not found"),
        ("resume", "-ERR command not found"),
        ("sendmsg", "-ERR invalid session id []"),
        ("sendmsg zz yy", "-ERR invalid session id [zz yy]"),
        ("sendmsg \nSession-ID: qq", "-ERR invalid session id [qq]"),
        ("myevents", "-ERR command not found"),
        ("myevents 11111111-0000-4000-8000-000000000001 json", "-ERR invalid uuid"),
        ("myevents 11111111-0000-4000-8000-000000000001", "+OK Events Enabled"),
        ("myevents ", "-ERR aready enabled."),
    ] {
        client.asks(command, reply).await;
    }
    let (header, value) = ("a".repeat(300), "b".repeat(300));
    let reply = format!("+OK filter added. [{header}]=[{value}]");
    client.asks(&format!("filter {header} {value}"), &reply[..511]).await;
    for (command, output) in [
        ("", "-ERR  Command not found!\n"),
        (" echo 1", "-ERR  Command not found!\n"),
        ("echo  a  b ", "a  b"),
        ("echo ", "-ERR no reply\n"),
    ] {
        client.calls(command, output).await;
    }
}

#[tokio::test]
async fn sent_events_reach_those_that_want_them() {
    let server = start(Vec::new()).await;
    let mut sender = Client::login(&server).await;
    let mut listener = Client::login(&server).await;
    listener.asks("event plain ALL", "+OK event listener enabled plain").await;
    listener.asks("filter X-A /^(one|two)$/", "+OK filter added. [X-A]=[/^(one|two)$/]").await;
    listener.asks("filter Event-Name -NOTIFY", "+OK filter added. [Event-Name]=[-NOTIFY]").await;
    for event in [
        "sendevent CUSTOM\nX-A: one\nEvent-Subclass: demo::hello\nX-B: 2",
        "sendevent NOTIFY\nX-A: one",
        "sendevent NO_SUCH\nX-A: two",
        "sendevent MESSAGE\nX-A: three",
        "sendevent  MESSAGE\nX-A: two",
    ] {
        sender.says(&format!("{event}\n\n")).await;
    }
    sender.events("none").await;
    assert_eq!(listener.events("Event-Name").await, ["CUSTOM", "CUSTOM", "MESSAGE"]);

    listener.asks("filter delete all", "+OK filter deleted. [all][]").await;
    listener.asks("noevents", "+OK no longer listening for events").await;
    listener.asks("event plain CUSTOM demo::hello", "+OK event listener enabled plain").await;
    for subclass in ["demo::hello", "demo::other"] {
        sender.says(&format!("sendevent CUSTOM\nEvent-Subclass: {subclass}\n\n")).await;
    }
    // One without a name has no subclass either, whatever its headers say.
    sender.says("sendevent\nEvent-Subclass: demo::other\nX-C: 3\n\n").await;
    sender.events("none").await;
    assert_eq!(listener.events("Event-Subclass").await, ["demo%3A%3Ahello", "demo%3A%3Aother"]);
}

#[tokio::test]
async fn a_body_and_a_subclass_have_their_places() {
    let server = start(Vec::new()).await;
    let mut client = Client::login(&server).await;
    client.asks("event plain CUSTOM demo::one", "+OK event listener enabled plain").await;
    client.says("sendevent CUSTOM\nX-A: 1\nEvent-Subclass: demo::one\nContent-Length: 5\n\nhello").await;
    let lines = client.events("X-A").await;
    assert_eq!(lines, ["1"]);
    client.says("sendevent CUSTOM\nX-A: 1\nEvent-Subclass: demo::one\nContent-Length: 5\n\nhello").await;
    let heard = client.hears_sometime("\n\nhello").await;
    let event = heard.split("text/event-plain\n\n").nth(1).expect("an event");
    assert!(event.starts_with("Event-Subclass: demo%3A%3Aone\nCommand: sendevent%20CUSTOM\nX-A: 1\n"), "{event}");
    assert!(event.contains("\nContent-Length: 5\nEvent-UUID: "), "the client's own length stays: {event}");
    assert!(event.contains("\nContent-Length: 5\n\nhello"), "{event}");
}

#[tokio::test]
async fn log_lines_come_to_those_that_get_them() {
    let server = start(Vec::new()).await;
    let mut client = Client::login(&server).await;
    client.calls("log err before", "+OK\n").await;
    client.asks("log 3", "+OK log level 3 [3]").await;
    for line in ["err hello", "3 again", "warning no", "no", "nonsense no"] {
        client.says(&format!("api log {line}\n\n")).await;
    }
    assert_eq!(client.events("Log-Level").await, ["3", "3"]);
    client.asks("log 7", "+OK log level 7 [7]").await;
    client.says("api log info not logged at all\n\n").await;
    client.says("api log warning yes\n\n").await;
    assert_eq!(client.events("Log-Level").await, ["4"]);
    client.asks("nolog", "+OK no longer logging").await;
    client.calls("log err after", "+OK\n").await;
    assert_eq!(client.events("Log-Level").await, [""; 0]);
}

#[tokio::test]
async fn what_waits_goes_with_noevents() {
    let server = start(Vec::new()).await;
    let mut sender = Client::login(&server).await;
    let mut listener = Client::login(&server).await;
    listener.asks("event plain NOTIFY", "+OK event listener enabled plain").await;
    sender.says("sendevent NOTIFY\nX-A: before\n\n").await;
    sender.events("none").await;
    listener.says("noevents\n\nevent plain NOTIFY\n\n").await;
    assert_eq!(listener.events("X-A").await, [""; 0]);
    sender.says("sendevent NOTIFY\nX-A: after\n\n").await;
    sender.events("none").await;
    assert_eq!(listener.events("X-A").await, ["after"]);
}

#[tokio::test]
async fn my_events_make_a_connection_the_channels() {
    let server = start(Vec::new()).await;
    let mut client = Client::login(&server).await;
    let mut other = Client::login(&server).await;
    other.calls(&format!("originate {{origination_uuid={CHANNEL}}}null/x &park()"), &format!("+OK {CHANNEL}\n")).await;
    // The format behind a UUID is not looked at.
    client.asks(&format!("myevents {CHANNEL} json"), "+OK Events Enabled").await;
    client.asks("getvar uuid", CHANNEL).await;
    client.asks("getvar nothing", "-ERR command not found").await;
    client.asks("divert_events", "-ERR missing value.").await;
    client.asks("divert_events off", "+OK events not diverted").await;
    client.asks("linger", "+OK will linger").await;
    client.asks("linger 5", "+OK will linger 5 seconds").await;
    client.asks("nolinger", "+OK will not linger").await;
    client.asks("sendmsg\ncall-command: execute\nexecute-app-name: set\nexecute-app-arg: a=b", "+OK").await;
    other.calls(&format!("uuid_kill {CHANNEL}"), "+OK\n").await;
    server.wait_for(SOON, |state| state.listeners == 2).await.expect("both connections");
    other.events("none").await;
    let heard = client.hears_sometime("cluecon.com").await;
    assert!(heard.contains("Event-Name: CHANNEL_HANGUP\n") && !heard.contains("text/event-json"), "{heard}");
    let notice = format!("Controlled-Session-UUID: {CHANNEL}\nContent-Disposition: disconnect\nContent-Length: 67\n\n");
    assert!(heard.contains(&notice), "{heard}");
    server.wait_for(SOON, |state| state.channels == 0).await.expect("an end");
}

#[tokio::test]
async fn a_connection_that_leaves_takes_its_parked_channel_with_it() {
    let server = start(Vec::new()).await;
    let mut client = Client::login(&server).await;
    client.calls(&format!("originate {{origination_uuid={CHANNEL}}}null/x &park()"), &format!("+OK {CHANNEL}\n")).await;
    client.asks(&format!("myevents {CHANNEL}"), "+OK Events Enabled").await;
    server.wait_for(SOON, |state| state.channels == 1).await.expect("a channel");
    drop(client);
    server.wait_for(SOON, |state| state.channels == 0).await.expect("an end");
}

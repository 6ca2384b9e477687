//! Conversations with a real FreeSWITCH 1.10.12, its side replayed: our side does what the recorded client did.

use tokio::io::AsyncWriteExt;

use super::*;

struct Line {
    from_client: bool,
    data: String,
}

/// Plays the server of a recording over a pipe. What our side sends must be what the recorded client sent.
async fn replay(name: &str, mut pipe: DuplexStream) {
    let path = format!("{}/tests/recordings-outbound/{name}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let lines = text.lines().map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON lines");
        Line { from_client: line["from"] == "client", data: line["data"].as_str().expect("text").to_owned() }
    });
    let mut uuid = None;
    let mut application = String::new();
    for line in lines {
        if line.from_client {
            let mut command = Vec::new();
            while !command.ends_with(b"\n\n") {
                let byte = tokio::io::AsyncReadExt::read_u8(&mut pipe).await;
                command.push(byte.unwrap_or_else(|error| panic!("{error}: awaited {:?}", line.data)));
            }
            let command = String::from_utf8(command).expect("text");
            uuid = header(&command, "Event-UUID").map(str::to_owned);
            application = header(&line.data, "execute-app-name").unwrap_or_default().to_owned();
            assert_eq!(normal(&command), normal(&line.data), "{name}");
            continue;
        }
        // The events of our execution carry our UUID.
        let mut data = line.data;
        if let (Some(ours), Some(recorded)) = (&uuid, application_uuid(&data, &application)) {
            data = data.replace(&recorded, ours);
        }
        pipe.write_all(data.as_bytes()).await.expect("our side is there");
    }
}

fn header<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// A command without what each side chooses: the order of headers, a UUID, a lock.
fn normal(command: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = command
        .lines()
        .filter(|line| !line.starts_with("Event-UUID: ") && !line.starts_with("event-lock: ") && !line.is_empty())
        .map(|line| if line == "myevents" { "myevents plain" } else { line })
        .collect();
    lines.sort_unstable();
    lines
}

fn application_uuid(data: &str, application: &str) -> Option<String> {
    let mut lines = data.lines().skip_while(|line| line.strip_prefix("Application: ") != Some(application));
    lines.find_map(|line| line.strip_prefix("Application-UUID: ")).map(str::to_owned)
}

async fn against<T>(name: &str, options: Options, ours: impl AsyncFnOnce(Call<DuplexStream>) -> T) -> T {
    let (here, there) = tokio::io::duplex(1 << 20);
    let ours = async {
        let call = Call::accept(here, &options).await.expect("it begins");
        ours(call).await
    };
    timeout(Duration::from_secs(10), async { tokio::join!(ours, replay(name, there)).0 }).await.expect("it ends")
}

#[tokio::test]
async fn async_full() {
    let options = Options { linger: Some(Duration::from_secs(2)), ..Options::default() };
    against("async-full", options, async |mut call| {
        assert!(call.is_async() && call.is_full());
        assert_eq!(call.unique_id(), ID);
        assert_eq!(call.variable("current_application_data").as_deref(), Some("127.0.0.1:18084 async full"));
        let done = call.execute("playback", "tone_stream://%(300,0,1004)").await.unwrap();
        assert_eq!(done.get("Application-Response").as_deref(), Some("FILE PLAYED"));
        assert_eq!(call.getvar("note").await.unwrap().as_deref(), Some("a b"));
        assert_eq!(call.request(&Command::GetVar("note")).await.unwrap().text(), "a b");
        let reply = call.request(&Command::GetVar("nothing_here")).await.unwrap();
        assert_eq!(reply.ok().unwrap_err().words, "command not found");
        call.divert_events(true).await.unwrap();
        let done = call.execute("hangup", "NORMAL_CLEARING").await.unwrap();
        assert_eq!(done.get("Application").as_deref(), Some("hangup"));
        assert_eq!(call.end().unwrap().ended(), Some(HangupCause::NORMAL_CLEARING));
        let mut names = Vec::new();
        let error = loop {
            match call.next().await {
                Ok(Notice::Event(event)) => names.push(event.name().as_str()),
                Ok(Notice::Lingering(time)) => names.push(if time.unwrap().as_secs() == 2 { "linger" } else { "?" }),
                Ok(Notice::Log(line)) => panic!("{line:?}"),
                Err(error) => break error,
            }
        };
        let expected = [
            "CHANNEL_EXECUTE",
            "CHANNEL_EXECUTE",
            "CHANNEL_HANGUP",
            "CHANNEL_UNPARK",
            "CHANNEL_EXECUTE_COMPLETE",
            "CHANNEL_STATE",
            "CHANNEL_STATE",
            "CHANNEL_HANGUP_COMPLETE",
            "linger",
        ];
        assert_eq!(names, expected);
        assert_eq!(error.to_string(), "the connection was closed by the server with a disconnect notice");
        assert_eq!(call.events_dropped(), 0);
    })
    .await;
}

#[tokio::test]
async fn async_without_full() {
    against("async-without-full", Options::default(), async |mut call| {
        assert!(call.is_async() && !call.is_full());
        // Past the check, to see what FreeSWITCH says.
        for command in ["api status\n\n", "bgapi status\n\n", "event plain ALL\n\n"] {
            let error = call.link.ask_encoded(&[command.as_bytes().into()]).await.unwrap_err();
            assert_eq!(error.command_failure().unwrap().words, "command not found");
        }
        let done = call.execute("set", "a=b").await.unwrap();
        assert_eq!(done.get("Application-Data").as_deref(), Some("a=b"));
        call.exit().await;
    })
    .await;
}

#[tokio::test]
async fn far_end_hangs_up_with_linger() {
    against("far-end-hangs-up-with-linger", Options { linger: None, ..Options::default() }, async |mut call| {
        call.linger(None).await.unwrap();
        while !call.is_lingering() {
            call.next().await.unwrap();
        }
        let error = call.execute("playback", "x").await.unwrap_err();
        assert_eq!(error.ended(), Some(HangupCause::NORMAL_CLEARING));
    })
    .await;
}

#[tokio::test]
async fn hangup_without_linger() {
    let options = Options { my_events: Some(Format::Json), linger: None, ..Options::default() };
    against("hangup-without-linger", options, async |mut call| {
        let mut names = Vec::new();
        let error = loop {
            match call.next_event().await {
                Ok(event) => names.push(event.name().as_str()),
                Err(error) => break error,
            }
        };
        assert_eq!(names, ["CHANNEL_HANGUP", "CHANNEL_UNPARK", "CHANNEL_EXECUTE_COMPLETE", "CHANNEL_STATE"]);
        assert!(error.is_closed(), "{error}");
        assert_eq!(call.end().unwrap().ended(), Some(HangupCause::NORMAL_CLEARING));
    })
    .await;
}

#[tokio::test]
async fn sync() {
    against("sync", Options::default(), async |mut call| {
        assert!(!call.is_async() && !call.is_full());
        call.execute("set", "colour=red").await.unwrap();
        call.execute("playback", "tone_stream://%(300,0,1004)").await.unwrap();
        assert_eq!(call.getvar("colour").await.unwrap().as_deref(), Some("red"));
        // Past what keeps it from being said in this mode.
        call.request(&Command::Resume).await.unwrap().ok().unwrap();
        call.execute("hangup", "").await.unwrap();
        assert_eq!(call.end().unwrap().ended(), Some(HangupCause::NORMAL_CLEARING));
        let error = loop {
            match call.next().await {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(error.is_closed(), "{error}");
    })
    .await;
}

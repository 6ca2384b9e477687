use std::collections::HashSet;
use std::task::Poll;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;
use crate::connection::dialogue::{Server, logged_in};

async fn client() -> (Client, Server) {
    let (connection, server): (Connection<Tag, DuplexStream>, _) = logged_in().await;
    (Client::new(connection, None, ClientOptions::default()), server)
}

#[tokio::test]
async fn replies_find_their_callers() {
    let (client, mut server) = client().await;
    let (one, two, ()) = tokio::join!(client.cmd("one"), client.cmd("two"), async {
        server.expect("api one\n\napi two\n\n").await;
        server.answer("1\n").await;
        server.answer("-ERR not_a_command Command not found!\n").await;
    });
    assert_eq!(one.unwrap(), "1");
    let error = two.unwrap_err();
    assert_eq!(error.to_string(), "-ERR not_a_command Command not found!");
    assert_eq!(error.command_failure().unwrap().words, "not_a_command Command not found!");
}

#[tokio::test]
async fn a_caller_that_goes_away_shifts_nobody_s_reply() {
    let (client, mut server) = client().await;
    // Every third caller goes away while its command is with the server.
    let calls = (0..3000).map(|n| {
        let client = client.clone();
        tokio::spawn(async move { client.cmd(&format!("echo {n}")).await })
    });
    let calls: Vec<_> = calls.collect();
    let mut seen = Vec::new();
    for _ in &calls {
        let n = server.command().await;
        seen.push(n);
    }
    for call in calls.iter().step_by(3) {
        call.abort();
    }
    for n in seen {
        server.answer(n.strip_prefix("api echo ").unwrap()).await;
    }
    for (n, call) in calls.into_iter().enumerate() {
        if n % 3 != 0 {
            assert_eq!(call.await.unwrap().unwrap(), n.to_string());
        }
    }
}

#[tokio::test]
async fn a_thousand_calls_dropped_at_random_points_among_ten_thousand_shift_nobody_s_reply() {
    const CALLS: u64 = 10_000;
    let (client, server) = client().await;
    let mut random = ChaCha8Rng::seed_from_u64(1);
    // The server answers each command with what it says, in pieces of any length.
    let mut pieces = ChaCha8Rng::seed_from_u64(2);
    let server = tokio::spawn(async move {
        let Server(stream) = server;
        let (mut reader, mut writer) = tokio::io::split(stream);
        let (mut got, mut answered) = (Vec::new(), 0_u64);
        while reader.read_buf(&mut got).await.unwrap() > 0 {
            while let Some(end) = memchr::memmem::find(&got, b"\n\n") {
                let command: Vec<u8> = got.drain(..end + 2).collect();
                let Some(output) = command.strip_prefix(b"api echo ") else {
                    assert_eq!(command, b"exit\n\n");
                    return answered;
                };
                let output = output.trim_ascii();
                let head = format!("Content-Type: api/response\nContent-Length: {}\n\n", output.len());
                let mut answer = [head.as_bytes(), output].concat();
                while !answer.is_empty() {
                    let length = pieces.random_range(1..=answer.len());
                    writer.write_all(&answer[..length]).await.unwrap();
                    answer.drain(..length);
                    if pieces.random_bool(0.3) {
                        tokio::task::yield_now().await;
                    }
                }
                answered += 1;
            }
        }
        answered
    });
    let mut dropped: HashSet<u64> = HashSet::new();
    while dropped.len() < 1000 {
        dropped.insert(random.random_range(0..CALLS));
    }
    let calls: Vec<_> = (0..CALLS)
        .map(|n| {
            let (client, patience) = (client.clone(), dropped.contains(&n).then(|| random.random_range(0..3000)));
            tokio::spawn(async move {
                let command = format!("echo {n}");
                let call = client.cmd(&command);
                match patience {
                    None => Some(call.await),
                    // Polled so often at the most, and dropped wherever it is then.
                    Some(polls) => {
                        let mut call = std::pin::pin!(call);
                        for _ in 0..polls {
                            if let Some(result) = poll_once(call.as_mut()).await {
                                return Some(result);
                            }
                            tokio::task::yield_now().await;
                        }
                        None
                    }
                }
            })
        })
        .collect();
    let mut given_up = 0;
    for (n, call) in calls.into_iter().enumerate() {
        match call.await.unwrap() {
            Some(reply) => assert_eq!(reply.unwrap(), n.to_string()),
            None => given_up += 1,
        }
    }
    drop(client);
    let answered = server.await.unwrap();
    assert!((100..=1000).contains(&given_up), "{given_up}");
    assert!(answered > CALLS - given_up, "some were dropped while their command was with the server: {answered}");
}

async fn poll_once<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
    std::future::poll_fn(|cx| match std::pin::Pin::new(&mut future).poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn timed_out_command_keeps_its_place_among_the_replies() {
    let (client, mut server) = client().await;
    let slow = client.api_within("slow", Duration::from_millis(1)).await.unwrap_err();
    assert!(slow.is_timeout(), "{slow}");
    let (next, ()) = tokio::join!(client.cmd("next"), async {
        server.expect("api slow\n\napi next\n\n").await;
        server.answer("late").await;
        server.answer("right").await;
    });
    assert_eq!(next.unwrap(), "right");
}

#[tokio::test]
async fn the_end_of_the_connection_ends_every_waiter() {
    for (end, expected) in [
        (
            Some("Content-Type: text/disconnect-notice\n\n"),
            "the connection was closed by the server with a disconnect notice",
        ),
        (
            Some("Content-Type: api/response\nContent-Length: -1\n\n"),
            "a frame's Content-Length is not a length: \"-1\"",
        ),
        (None, "the connection was closed by the server"),
    ] {
        let (client, mut server) = client().await;
        let waiters: Vec<_> = (0..10)
            .map(|_| {
                tokio::spawn({
                    let client = client.clone();
                    async move { client.cmd("status").await }
                })
            })
            .collect();
        for _ in &waiters {
            server.command().await;
        }
        match end {
            Some(text) => server.say(text).await,
            None => drop(server),
        }
        for waiter in waiters {
            let error = waiter.await.unwrap().unwrap_err();
            assert!(error.is_closed());
            assert_eq!(error.to_string(), expected);
        }
        assert_eq!(client.cmd("status").await.unwrap_err().to_string(), expected, "and who comes later");
        assert!(client.is_closed());
    }
}

#[tokio::test]
async fn text_that_breaks_out_is_refused_before_it_is_sent() {
    let (client, mut server) = client().await;
    let error = client.cmd("status\n\nexit").await.unwrap_err();
    assert!(error.to_string().contains("a line feed"), "{error}");
    tokio::join!(async { client.cmd("next").await.unwrap() }, async {
        server.expect("api next\n\n").await;
        server.answer("+OK").await;
    });
}

#[tokio::test]
async fn fact_14_permission_denied_comes_as_another_kind_of_reply_and_in_its_place() {
    let (client, mut server) = client().await;
    let (denied, next, ()) = tokio::join!(client.cmd("shutdown"), client.cmd("status"), async {
        server.expect("api shutdown\n\napi status\n\n").await;
        server.reply("-ERR permission denied").await;
        server.answer("UP\n").await;
    });
    let denied = denied.unwrap_err();
    assert_eq!(denied.command_failure().unwrap().words, "permission denied");
    assert_eq!(next.unwrap(), "UP");
}

#[tokio::test]
async fn fact_9_an_answer_without_output_and_one_of_how_to_use_it_are_errors_of_their_kinds() {
    let (client, mut server) = client().await;
    let (none, usage, raw, ()) = tokio::join!(client.cmd("one"), client.cmd("two"), client.api("three"), async {
        server.expect("api one\n\napi two\n\napi three\n\n").await;
        server.answer("-ERR no reply\n").await;
        server.answer("-USAGE: <uuid> [cause]\n").await;
        server.answer("no line end").await;
    });
    assert_eq!(none.unwrap_err().to_string(), "-ERR no reply");
    let usage = usage.unwrap_err();
    assert_eq!(usage.command_failure().unwrap().kind, crate::ApiErrorKind::Usage);
    assert_eq!(usage.to_string(), "-USAGE: <uuid> [cause]");
    assert_eq!(&raw.unwrap().body()[..], b"no line end");
}

#[tokio::test]
async fn its_own_events_come_in_a_queue_of_their_own() {
    let (client, mut server) = client().await;
    let mut events = client.events(1);
    let subscribe = client.subscribe(|events| events.with(EventName::Heartbeat));
    let (subscribed, reply, ()) = tokio::join!(subscribe, async { client.cmd("status").await }, async {
        server.command().await;
        server.command().await;
        for _ in 0..3 {
            server.event("Event-Name: HEARTBEAT\n").await;
        }
        server.reply("+OK event listener enabled plain").await;
        server.answer("UP").await;
    });
    subscribed.unwrap();
    assert_eq!(reply.unwrap(), "UP");
    assert_eq!(events.next().await.unwrap().name(), EventName::Heartbeat);
    assert_eq!(events.dropped(), 2);
}

#[test]
fn fact_28_a_call_s_early_media_is_no_answer_and_its_ringing_has_an_end() {
    let command = Originate::from("9196@host:5080").command().unwrap();
    assert!(command.contains("ignore_early_media=true") && command.contains("originate_timeout=60"), "{command}");
    assert!(command.ends_with("}sofia/external/9196@host:5080 &park()"), "{command}");
    assert!(Originate::from("null/x").command().unwrap().ends_with("}null/x &park()"));
}

use tokio::io::DuplexStream;

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
async fn a_time_out_leaves_its_place_behind() {
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

use super::dialogue::{Server, log_in, logged_in};
use super::*;
use crate::EventName;

const NOTICE: &str = "Content-Type: text/disconnect-notice\nContent-Length: 9\n\nGood-bye\n";

#[tokio::test]
async fn a_wrong_password_is_told_in_the_server_s_words() {
    let (result, _server) = log_in::<(), _>(|mut server| async move {
        server.say("Content-Type: auth/request\n\n").await;
        server.expect("auth ClueCon\n\n").await;
        server.say("Content-Type: command/reply\nReply-Text: -ERR invalid\n\n").await;
        server.say(NOTICE).await;
        server
    })
    .await;
    let error = result.unwrap_err();
    assert!(error.is_password(), "{error}");
    assert_eq!(error.to_string(), "the server refused the password: invalid");
}

#[tokio::test]
async fn a_rude_rejection_is_known() {
    let (result, _server) = log_in::<(), _>(|mut server| async move {
        server.say("Content-Type: text/rude-rejection\nContent-Length: 24\n\nAccess Denied, go away.\n").await;
        server
    })
    .await;
    assert!(result.unwrap_err().is_rejected());
}

#[tokio::test]
async fn a_server_of_something_else_is_known() {
    let (result, _server) = log_in::<(), _>(|mut server| async move {
        server.say("220 mail.example ESMTP\r\n").await;
        server
    })
    .await;
    let message = result.unwrap_err().to_string();
    assert_eq!(message, r#"not an Event Socket frame: "220 mail.example ESMTP\r""#);
}

#[tokio::test]
async fn events_come_between_replies() {
    let (mut connection, mut server) = logged_in().await;
    connection.send(&Command::api("one"), 1).unwrap();
    connection.send(&Command::api("two"), 2).unwrap();
    connection.flush().await.unwrap();
    server.expect("api one\n\napi two\n\n").await;
    server.answer("1").await;
    server.say("Content-Length: 22\nContent-Type: text/event-plain\n\nEvent-Name: HEARTBEAT\n").await;
    server.answer("2").await;
    assert!(matches!(connection.next().await, Ok(Incoming::Reply(1, reply)) if reply.text() == "1"));
    let event = connection.next().await.unwrap();
    assert!(matches!(event, Incoming::Event(event) if event.name() == EventName::Heartbeat));
    assert!(matches!(connection.next().await, Ok(Incoming::Reply(2, reply)) if reply.text() == "2"));
}

#[tokio::test]
async fn unknown_frames_and_a_lingering_notice_do_not_end_it() {
    let (mut connection, mut server) = logged_in::<()>().await;
    server.say("Content-Type: text/novelty\nContent-Length: 2\n\nhi").await;
    server.say("Content-Type: text/disconnect-notice\nContent-Disposition: linger\nLinger-Time: 2\n\n").await;
    server.say("Content-Type: text/disconnect-notice\nContent-Disposition: linger\nLinger-Time: -1\n\n").await;
    assert!(matches!(connection.next().await, Ok(Incoming::Other(frame)) if &frame.body[..] == b"hi"));
    assert!(matches!(connection.next().await, Ok(Incoming::Lingering(Some(time))) if time.as_secs() == 2));
    assert!(matches!(connection.next().await, Ok(Incoming::Lingering(None))));
    server.say(NOTICE).await;
    let error = connection.next().await.unwrap_err();
    assert_eq!(error.to_string(), "the connection was closed by the server with a disconnect notice");
    assert!(connection.send(&Command::Noop, ()).unwrap_err().is_closed());
    assert!(connection.next().await.unwrap_err().is_closed(), "it stays closed");
}

#[tokio::test(start_paused = true)]
async fn dropped_read_loses_no_bytes() {
    let (mut connection, mut server) = logged_in().await;
    connection.send(&Command::api("x"), ()).unwrap();
    connection.flush().await.unwrap();
    let text = "Content-Type: api/response\nContent-Length: 4\n\n+OK\n";
    for byte in text.chars() {
        // Each piece is awaited by a future of its own, which is dropped unless it was the last piece.
        server.say(&byte.to_string()).await;
        let next = timeout(Duration::from_millis(1), connection.next()).await;
        assert_eq!(next.is_ok(), byte == '\n' && connection.waiting() == 0);
    }
    assert_eq!(connection.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_asked_and_then_taken_for_gone() {
    let (mut connection, mut server) = logged_in::<()>().await;
    connection.set_liveness(Liveness::within(Duration::from_secs(30)));
    let started = Instant::now();
    let answer = async {
        server.expect("noop\n\n").await;
        assert_eq!(started.elapsed().as_secs(), 10);
        server.say("Content-Type: command/reply\nReply-Text: -ERR command not found\n\n").await;
        server.expect("noop\n\n").await;
        assert_eq!(started.elapsed().as_secs(), 20, "it had answered");
        std::future::pending::<()>().await;
    };
    let error = tokio::select! {
        incoming = connection.next() => incoming.unwrap_err(),
        () = answer => unreachable!(),
    };
    assert_eq!(started.elapsed().as_secs(), 40);
    assert!(error.is_closed());
    assert_eq!(error.to_string(), "nothing came from the server for 30s: it is taken for gone");
}

#[tokio::test]
async fn a_line_of_the_log_is_one() {
    let (mut connection, mut server) = logged_in::<()>().await;
    server
        .say(
            "Content-Type: log/data\nContent-Length: 6\nLog-Level: 4\nText-Channel: 0\nLog-File: x.c\nLog-Func: f\n\
             Log-Line: 7\nUser-Data: \n\nHello\n",
        )
        .await;
    let Ok(Incoming::Log(line)) = connection.next().await else { panic!("a line of the log") };
    assert_eq!((line.level(), &*line.text(), line.line()), (Some(crate::LogLevel::Warning), "Hello\n", Some(7)));
    assert_eq!((line.file().as_deref(), line.function().as_deref(), line.user_data()), (Some("x.c"), Some("f"), None));
}

/// Logs a user in to a server that replies so.
async fn user(reply: &'static str) -> (Result<Connection<()>, Error>, tokio::task::JoinHandle<Server<TcpStream>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut server = Server(stream);
        server.say("Content-Type: auth/request\n\n").await;
        server.expect("userauth ann@example.com:secret\n\n").await;
        server.say(reply).await;
        server
    });
    let credentials = Credentials::user("ann@example.com", "secret");
    (Connection::connect(&address, &credentials, &Options::default()).await, server)
}

#[tokio::test]
async fn a_user_of_the_directory_is_let_in() {
    let reply = "Content-Type: command/reply\nReply-Text: +OK accepted\nAllowed-Events: all\nAllowed-API: show\n\
                 Allowed-LOG: true\n\n";
    let (connection, server) = user(reply).await;
    let (mut connection, mut server) = (connection.unwrap(), server.await.unwrap());
    connection.send(&Command::api("show channels"), ()).unwrap();
    connection.flush().await.unwrap();
    server.expect("api show channels\n\n").await;
    server.answer("0 total.\n").await;
    assert!(matches!(connection.next().await, Ok(Incoming::Reply((), reply)) if reply.text() == "0 total."));
    let (connection, _server) = user("Content-Type: command/reply\nReply-Text: -ERR invalid\n\n").await;
    assert!(connection.unwrap_err().is_password());
}

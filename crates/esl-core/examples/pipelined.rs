//! How many commands a second one connection carries: `api` and background jobs, each sent without waiting for the one
//! before.
//!
//!     cargo run --release -p esl-core --example pipelined -- 127.0.0.1:8021 ClueCon [COUNT]
//!
//! Prints the best of three runs of each: over a bare socket, which is what the server can do; over a [`Connection`]; and
//! through a [`Client`], whose task and queue they pass besides. `echo` is the command, which does nothing; the jobs'
//! results are thrown away by the server, since nobody listens.

use std::error::Error;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use esl_core::{Client, Command, Connection, Credentials, Incoming, Options};
use uuid::Uuid;

/// Makes one command.
type Make = fn() -> Command<'static>;

/// Commands that are under way at a time: more would wait in the server.
const WINDOW: usize = 256;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(password)) = (arguments.next(), arguments.next()) else {
        return Err("usage: pipelined HOST:PORT PASSWORD [COUNT]".into());
    };
    let count: usize = arguments.next().map_or(Ok(20_000), |text| text.parse())?;
    let credentials_line = format!("auth {password}\n\n");
    let credentials = Credentials::password(password);
    let options = Options::default();
    let mut out = std::io::stdout();

    let kinds: [(&str, Make); 3] = [
        ("api", || Command::api("echo x")),
        ("api bgapi uuid:", || Command::Background { job: Uuid::new_v4(), command: "echo x".into() }),
        ("bgapi", || Command::BgApi { job: Uuid::new_v4(), command: "echo x".into() }),
    ];
    for (name, command) in kinds {
        // `bgapi` holds its connection up for a millisecond each.
        let count = if name == "bgapi" { count / 10 } else { count };
        let mut best = Duration::MAX;
        for _ in 0..3 {
            best = best.min(over_a_socket(&address, &credentials_line, count, command)?);
        }
        writeln!(out, "{name:16} {:>8.0} a second, over a bare socket", count as f64 / best.as_secs_f64())?;
        let mut connection = Connection::connect(&address, &credentials, &options).await?;
        let mut best = Duration::MAX;
        for _ in 0..3 {
            best = best.min(through_connection(&mut connection, count, command).await?);
        }
        writeln!(out, "{name:16} {:>8.0} a second, by a connection", count as f64 / best.as_secs_f64())?;
    }
    let client = Client::connect(&address, &credentials, &options).await?;
    let mut best = Duration::MAX;
    for _ in 0..3 {
        best = best.min(through_client(&client, count).await?);
    }
    writeln!(out, "{:16} {:>8.0} a second, by a client", "api", count as f64 / best.as_secs_f64())?;
    client.disconnect().await;
    Ok(())
}

/// Writes every command and counts the replies, each of which has one `Content-Type`.
fn over_a_socket(address: &str, log_in: &str, count: usize, command: Make) -> Result<Duration, Box<dyn Error>> {
    let mut socket = std::net::TcpStream::connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(60)))?;
    socket.write_all(log_in.as_bytes())?;
    let mut commands = BytesMut::new();
    for _ in 0..count {
        command().encode(&mut commands)?;
    }
    let mut writer = socket.try_clone()?;
    let started = Instant::now();
    let writing = std::thread::spawn(move || writer.write_all(&commands));
    let (mut buffer, mut got, mut replies) = (vec![0; 64 << 10], Vec::new(), 0);
    // The question for the password and the answer to it come first.
    while replies < count + 2 {
        match socket.read(&mut buffer)? {
            0 => return Err("the server closed".into()),
            length => got.extend_from_slice(&buffer[..length]),
        }
        let name = b"Content-Type:";
        replies += memchr::memmem::find_iter(&got, name).count();
        // What may be the beginning of one more stays.
        let keep = memchr::memmem::rfind(&got, name).map_or(0, |at| at + name.len());
        let keep = keep.max(got.len().saturating_sub(name.len() - 1));
        got.drain(..keep);
    }
    let elapsed = started.elapsed();
    writing.join().map_err(|_| "the writer panicked")??;
    Ok(elapsed)
}

async fn through_connection(
    connection: &mut Connection<()>,
    count: usize,
    command: Make,
) -> Result<Duration, Box<dyn Error>> {
    let started = Instant::now();
    let (mut sent, mut answered) = (0, 0);
    while answered < count {
        while sent < count && connection.waiting() < WINDOW {
            connection.send(&command(), ())?;
            sent += 1;
        }
        if let Incoming::Reply((), reply) = connection.next().await? {
            reply.ok()?;
            answered += 1;
        }
    }
    Ok(started.elapsed())
}

async fn through_client(client: &Client, count: usize) -> Result<Duration, Box<dyn Error>> {
    let started = Instant::now();
    let callers: Vec<_> = (0..WINDOW)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                for _ in 0..count / WINDOW {
                    client.cmd("echo x").await?;
                }
                Ok::<(), esl_core::Error>(())
            })
        })
        .collect();
    for caller in callers {
        caller.await??;
    }
    Ok(started.elapsed())
}

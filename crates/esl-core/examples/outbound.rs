//! Answers calls, plays each a tone, and hangs up:
//!
//! ```text
//! cargo run --example outbound -- 127.0.0.1:8084 10
//! ```
//!
//! listens there and ends after ten calls (without the number: never). In FreeSWITCH's dialplan, or as here by hand:
//!
//! ```text
//! originate null/x &socket('127.0.0.1:8084 async full')
//! ```
#![expect(clippy::print_stdout, reason = "an example says what it does")]

use std::sync::Arc;

use esl_core::outbound::{Call, Options, Server};
use esl_core::{Error, HangupCause};
use tokio::sync::Semaphore;

/// What is done with one call. Where it returns early, by an error say, the call goes on in its dialplan.
async fn greet(mut call: Call) -> Result<(), Error> {
    println!("{} calls {}", call.unique_id(), call.channel().get("Caller-Destination-Number").unwrap_or_default());

    // Each of these returns when it is done, and is an error where the caller has hung up.
    call.answer().await?;
    let played = call.execute("playback", "tone_stream://%(500,0,1004)").await?;
    println!("played: {}", played.get("Application-Response").unwrap_or_default());
    call.hangup(HangupCause::NORMAL_CLEARING).await?;

    // The last events tell how it went. The connection lingers for them where the dialplan says `full`.
    while call.next_event().await.is_ok() {}
    println!("over: {}", call.end().map_or("its last events did not come".to_owned(), |end| end.to_string()));
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8084".to_owned());
    let calls = arguments.next().and_then(|calls| calls.parse().ok()).unwrap_or(u32::MAX);

    let server = Server::bind(&address, Options::default()).await?;
    println!("listening on {}", server.local_addr());
    let (stats, done) = (server.stats(), Arc::new(Semaphore::new(0)));

    // Every call that is over adds a permit; with enough of them the server stops.
    let over = done.clone();
    let handler = move |call| {
        let over = over.clone();
        async move {
            let result = greet(call).await;
            over.add_permits(1);
            result
        }
    };
    let shutdown = async { drop(done.acquire_many(calls).await) };
    server.serve_until(handler, shutdown).await;
    println!("{} calls, {} of them failed", stats.accepted(), stats.failed_handlers());
    Ok(())
}

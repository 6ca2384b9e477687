//! A script without async: calls a number, lets it hear a tone for a moment, and hangs up.
//!
//! `cargo run -p esl-core --example blocking -- 127.0.0.1:8021 ClueCon 9196@127.0.0.1:5080`

#![expect(clippy::print_stdout, reason = "an example talks")]

use std::time::Duration;

use esl_core::apps::TonePlay;
use esl_core::{Credentials, EventName, Originate, Scope, blocking};
use uuid::Uuid;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(password), Some(number)) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err("what is needed: HOST:PORT PASSWORD NUMBER@HOST:PORT".into());
    };
    let scope = Scope::new(address, Credentials::password(password)).app(TonePlay);
    let client = blocking::Client::open(scope)?;
    println!("{}", client.cmd("version")?);

    let call = Originate::new(Uuid::new_v4(), format!("sofia/external/{number}"), "park");
    let session = client.call(call, "TonePlay", Duration::from_secs(30))?;
    println!("{} is up: {} calls", session.uuid(), client.listener().count_calls());
    session.wait_until(Duration::from_secs(5), |session| session.last(EventName::ChannelExecute).is_some())?;
    std::thread::sleep(Duration::from_secs(1));
    session.hangup()?;
    session.wait_until(Duration::from_secs(5), |session| session.ended())?;
    println!("{:?}", client.listener().hangup_causes());
    Ok(())
}

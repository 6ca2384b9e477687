//! The components one by one, from a command to a call that an app controls: switchio's internals tutorial, step by step,
//! its errors too.
//!
//!     cargo run -p esl-core --example internals_tutorial -- 127.0.0.1:8021 ClueCon 127.0.0.1:5080 127.0.0.1:5090
//!
//! The arguments are a FreeSWITCH's Event Socket and its password; where its dialplan with the extensions 9196 (echo) and
//! 9197 (tone) is reached by SIP; and where one is that parks every call, so that an app controls it.

use std::error::Error;
use std::io::Write;
use std::time::Duration;

use esl_core::apps::TonePlay;
use esl_core::{Client, Credentials, EventListener, EventName, Extension, Options, Originate, Scope, Sofia};
use uuid::Uuid;

/// Nothing here takes longer on a server that is well.
const SOON: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, password, dialplan, park] = &arguments[..] else {
        return Err("usage: internals_tutorial HOST:PORT PASSWORD SIP-HOST:PORT PARKING-SIP-HOST:PORT".into());
    };
    let credentials = Credentials::password(password.as_str());
    let mut out = std::io::stdout();

    // A client sends commands over a connection of its own.
    let client = Client::connect(address, &credentials, &Options::default()).await?;
    // `api` gives the server's reply, whatever it says; `cmd` its words, or an error with the server's own.
    let reply = client.api("status").await?;
    writeln!(out, "> status\n{}", reply.text())?;
    writeln!(out, "> global_getvar local_ip_v4\n{}", client.cmd("global_getvar local_ip_v4").await?)?;
    let refusal = client.cmd("not a real command").await.expect_err("there is no such command");
    assert_eq!(refusal.to_string(), "-ERR not Command not found!");
    assert!(refusal.command_failure().is_some());
    writeln!(out, "> not a real command\n{refusal}")?;

    // An originate is worked off in the background. What becomes of it, events tell, and nobody hears them yet.
    let echo = format!("9196@{dialplan}");
    let error = client.originate(echo.clone()).await.expect_err("there is no listener");
    assert!(error.is_no_listener());
    writeln!(out, "> originate\n{error}")?;

    // A listener is built disconnected, so that what is not needed can be unsubscribed from.
    let listener = EventListener::new(address.as_str(), credentials.clone());
    writeln!(out, "{listener:?}")?;
    listener.unsubscribe(EventName::ChannelBridge).await?;
    listener.connect().await?;
    writeln!(out, "{listener:?}")?;
    listener.start()?;
    writeln!(out, "{listener:?}")?;
    client.attach(&listener);

    // Once more: a call to the echo, which goes to a tone when it is answered.
    let call =
        Originate::new(Uuid::new_v4(), Sofia::profile("external", echo), Extension::new("9197").context("default"))
            .timeout(Duration::from_secs(10))
            .ignore_early_media(true);
    let job = client.originate(call).await?;
    writeln!(out, "{job:?}")?;
    // The job is known, and its channel's UUID is, before the server has done anything.
    assert_eq!(job.session_uuid(), Some(job.uuid()));
    let session = job.get(SOON).await?;
    assert_eq!(Some(session), job.session_uuid().map(|uuid| uuid.to_string()));
    assert!(job.ready() && job.successful() == Some(true));
    // Both legs are here: the header that the call carries ties the far one to it.
    writeln!(out, "{:?}", listener.calls())?;
    let call = listener.call(job.uuid()).ok_or("the call is up")?;
    assert_eq!(call.sessions().len(), 2);
    assert!(call.first().is_outbound() && call.last().is_some_and(|leg| leg.is_inbound()));
    client.hupall(None).await?;
    assert_eq!(listener.count_calls(), 0);

    // Call control by an app: it answers the far leg and echoes it, and plays a tone on the near one. Loading is atomic:
    // an app that is no good leaves nothing behind.
    let id = client.load_app(TonePlay).await?;
    let again = client.load_app(TonePlay).await.expect_err("it is loaded");
    writeln!(out, "loaded {id}; {again}")?;
    assert!(client.apps().get::<TonePlay>(&id).is_some());
    let job = client.originate_as(&id, format!("park@{park}")).await?;
    assert!(job.wait(SOON).await, "it connects");
    let call = listener.call(job.uuid()).ok_or("the call is up")?;
    writeln!(out, "{call:?} of app {:?}", call.first().app_id())?;
    call.hangup().await?;
    client.unload_app(&id, None).await;
    listener.disconnect().await;
    client.disconnect().await;

    // All of this together, in a scope that takes down what it set up.
    let scope = Scope::new(address.as_str(), credentials).app(TonePlay);
    let played = scope.run(async |client| {
        let job = client.originate_as("TonePlay", format!("park@{park}")).await?;
        let session = job.get(SOON).await?;
        let listener = client.listener().ok_or("a scope has a listener")?;
        let call = listener.call(job.uuid()).ok_or("the call is up")?;
        assert_eq!(call.first().uuid().to_string(), session);
        // Let it play a bit.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let up = call.first().uptime();
        call.hangup().await?;
        Ok::<_, Box<dyn Error>>(up)
    });
    writeln!(out, "a call of {:.1} s", played.await?.as_secs_f64())?;
    Ok(())
}

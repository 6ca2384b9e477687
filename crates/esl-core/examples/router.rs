//! Routes the calls that a server parks: `101` is answered and hears a tone, `8<number>` is bridged to that number, all
//! others are rejected. Runs until Ctrl-C.
//!
//! `cargo run -p esl-core --example router -- 127.0.0.1:8021 ClueCon 127.0.0.1:5080`

use std::sync::Arc;

use esl_core::{Bridge, Contact, Credentials, Playback, Router, Routing, Service};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(password), Some(pbx)) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err("what is needed: HOST:PORT PASSWORD PBX:PORT".into());
    };
    let router = Router::new()
        .guard("Call-Direction", "inbound")
        .route("101$", |session, _, _| async move {
            session.answer().await?;
            session.playback(Playback::new("tone_stream://%(1000,0,425)")).await?;
            session.hangup().await?;
            Ok(Routing::Stop)
        })?
        .route("8([0-9]+)$", Router::bridge_with(move |_, found| Bridge::to(format!("{}@{pbx}", &found[1]))))?;
    let router = Arc::new(router);

    let service = Service::connect([Contact::new(address, Credentials::password(password))]).await?;
    service.load_app(|_| router.clone()).await?;
    let stopper = service.stopper();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stopper.stop();
        }
    });
    service.run().await?;
    #[expect(clippy::print_stdout, reason = "an example talks")]
    {
        println!("{:?}", router.stats());
    }
    Ok(())
}

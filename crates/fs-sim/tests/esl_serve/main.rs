//! What processes calls on servers (`Router`, `Service`, `Pool`, `Scope`, `blocking`, the ready-made apps), against a
//! simulated server always, and against a FreeSWITCH where `FREESWITCH_ESL=host:port:password` is set.

mod apps;
mod blocking;
mod pool;
mod router;
mod scope;
mod service;
#[path = "../support/until.rs"]
mod until;

use esl_core::{Contact, Credentials, Originate};
use fs_sim::{Config, Server};
use until::{SOON, until};
use uuid::Uuid;

/// A server under test.
struct Target {
    contact: Contact,
    /// Where it is simulated.
    simulated: Option<Server>,
}

/// The simulated server, and the real one where there is one.
async fn targets() -> Vec<Target> {
    let mut targets = vec![simulated().await];
    targets.extend(real().map(|contact| Target { contact, simulated: None }));
    targets
}

async fn simulated() -> Target {
    let server = Server::start(Config::default()).await.expect("a simulated server");
    let contact = Contact::new(server.addr().to_string(), Credentials::password("ClueCon"));
    Target { contact, simulated: Some(server) }
}

#[expect(clippy::print_stderr, reason = "a test says what it did not try")]
fn real() -> Option<Contact> {
    let Ok(place) = std::env::var("FREESWITCH_ESL") else {
        eprintln!("not tried on a FreeSWITCH: FREESWITCH_ESL is not set");
        return None;
    };
    let (address, password) = place.rsplit_once(':').expect("FREESWITCH_ESL is host:port:password");
    Some(Contact::new(address, Credentials::password(password)))
}

impl Target {
    /// That a simulated server has no connections any more. A real one has others', too.
    async fn nobody_is_connected(&self) {
        if let Some(server) = &self.simulated {
            let state = server.wait_for(SOON, |state| state.listeners == 0).await;
            state.expect("all connections are closed");
        }
    }
}

/// An id that no other test's calls have: apps that are loaded under it get the calls of one test, and nobody else's on a
/// server that others use, too.
fn own_id(name: &str) -> String {
    format!("{name}-{}", Uuid::new_v4().simple())
}

/// A call that ends by itself where a test does not end it.
fn to(address: &str) -> Originate {
    Originate::new(Uuid::new_v4(), format!("sofia/external/{address}"), "park")
        .variable("originate_timeout", "30")
        .variable("execute_on_answer", "sched_hangup +60 allotted_timeout")
}

/// A call to a number that is parked without an answer.
fn to_park(number: &str) -> Originate {
    to(&format!("{number}@127.0.0.1:5090"))
}

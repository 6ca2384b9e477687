//! Several servers as one.

use std::collections::HashMap;
use std::sync::Arc;

use esl_core::apps::TonePlay;
use esl_core::{App, BoxError, Callbacks, Contact, Context, Credentials, EventName, HangupCause, Pool};

use crate::{SOON, simulated, to, until};

#[tokio::test]
async fn servers_count_together() {
    let (one, two) = (simulated().await, simulated().await);
    let pool = Pool::connect([one.contact.clone(), two.contact.clone()]).await.unwrap();
    assert_eq!((pool.len(), pool.is_empty()), (2, false));
    assert_eq!(pool.load_app(|_| TonePlay).await.unwrap(), "TonePlay");
    assert!(pool.evals(|slave| slave.client().apps().ids()).iter().all(|ids| *ids == ["TonePlay"]));
    let names = pool.evals_async(|slave| async move { slave.client().cmd("global_getvar hostname").await.is_ok() });
    assert_eq!(names.await.len(), 2);

    // Round and round: one of each to both servers.
    let mut turn = pool.cycle();
    let mut jobs = Vec::new();
    for number in ["park", "park", "486", "486", "nobody", "486"] {
        let slave = turn.next().unwrap();
        jobs.push(slave.client().originate_as("TonePlay", to(&format!("{number}@127.0.0.1:5080"))).await.unwrap());
    }
    assert_eq!(turn.next().map(|slave| slave.address()), Some(one.contact.address.as_str()));
    for job in jobs {
        job.wait(SOON).await;
    }
    until("two calls are up", || pool.count_calls() == 2 && pool.count_sessions() == 4).await;
    assert_eq!(pool.count_jobs(), 0);
    assert_eq!(pool.sessions_per_app(), HashMap::from([("TonePlay".to_owned(), 4)]));
    pool.hupall(Some("TonePlay")).await.unwrap();
    until("no session is left", || pool.count_sessions() == 0).await;

    let [busy, none, normal] = ["USER_BUSY", "NO_ROUTE_DESTINATION", "NORMAL_CLEARING"].map(HangupCause::of);
    let causes = pool.hangup_causes_per_slave();
    assert_eq!(causes[0], HashMap::from([(busy, 2), (none, 2), (normal, 2)]));
    assert_eq!(causes[1], HashMap::from([(busy, 4), (normal, 2)]));
    assert_eq!(pool.hangup_causes(), HashMap::from([(busy, 6), (none, 2), (normal, 4)]));
    assert_eq!((pool.count_failed(), pool.count_answered()), (8, 4));

    pool.shut_down().await;
    assert!(pool.evals(|slave| slave.is_alive()).iter().all(|alive| !alive));
    for target in [one, two] {
        target.nobody_is_connected().await;
    }
}

#[tokio::test]
async fn who_cannot_be_connected_to_is_named() {
    let target = simulated().await;
    let nowhere = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let wrong = Contact::new(target.contact.address.clone(), Credentials::password("wrong"));
    let gone = Contact::new(nowhere.clone(), Credentials::password("ClueCon"));
    let error = Pool::connect([target.contact.clone(), wrong, gone]).await.unwrap_err();
    let named: Vec<&str> = error.failures().iter().map(|(address, _)| address.as_str()).collect();
    assert_eq!(named, [&target.contact.address, &nowhere]);
    assert!(error.is_password(), "questions are about the first: {error}");
    assert!(error.failures()[0].1.is_password() && !error.failures()[1].1.is_password());
    target.nobody_is_connected().await;
    assert!(Pool::connect(Vec::<Contact>::new()).await.is_err());
}

/// An app that one server refuses.
struct Picky(Arc<str>);

impl App for Picky {
    fn callbacks(self: &Arc<Self>, on: &mut Callbacks) {
        on.call(EventName::ChannelHangupComplete, |_, _| ());
    }

    async fn set_up(&self, context: &Context) -> Result<(), BoxError> {
        let address = context.client.listener().map(|listener| listener.address().to_owned());
        if address.as_deref() == Some(&*self.0) { Err("not here".into()) } else { Ok(()) }
    }
}

#[tokio::test]
async fn an_app_that_one_server_refuses_is_loaded_into_none() {
    let (one, two) = (simulated().await, simulated().await);
    let pool = Pool::connect([one.contact.clone(), two.contact.clone()]).await.unwrap();
    pool.load_app_as("id", |_| TonePlay).await.unwrap();
    let refuses: Arc<str> = two.contact.address.as_str().into();
    let error = pool.load_app_as("id", |_| Picky(refuses.clone())).await.unwrap_err();
    assert_eq!(error.failures()[0].0, two.contact.address);
    assert!(error.to_string().contains("not here"), "{error}");
    assert!(pool.evals(|slave| slave.client().apps().names("id")).iter().all(|names| *names == ["TonePlay"]));
    let events = pool.evals(|slave| slave.listener().subscription());
    assert!(events.iter().all(|events| !events.contains(EventName::ChannelHangupComplete)), "and not subscribed");

    // One value for all of them: it is the same app.
    let nobody: Arc<Picky> = Arc::new(Picky("nobody".into()));
    pool.load_app_as("id", |_| nobody.clone()).await.unwrap();
    assert!(pool.evals(|slave| slave.client().apps().names("id")).iter().all(|names| names[1] == "Picky"));
    assert_eq!(pool.unload_app("id", Some("Picky")).await, 2);
    assert_eq!(Arc::strong_count(&nobody), 1, "nothing keeps it");
    drop(pool);
    one.nobody_is_connected().await;
    two.nobody_is_connected().await;
}

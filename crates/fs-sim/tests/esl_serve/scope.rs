//! What is set up is taken down.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use esl_core::apps::TonePlay;
use esl_core::{App, BoxError, Callbacks, Client, Context, Credentials, Error, EventName, Scope};
use tokio::sync::oneshot;

use crate::{SOON, Target, own_id, targets, to_park, until};

/// Counts how often it is torn down.
struct Counted(Arc<AtomicUsize>);

impl App for Counted {
    fn callbacks(self: &Arc<Self>, on: &mut Callbacks) {
        on.call(EventName::ChannelPark, |_, _| ());
    }

    async fn tear_down(&self, context: &Context) {
        // The connection is still there.
        if context.client.cmd("version").await.is_ok() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

struct Refused;

impl App for Refused {
    fn callbacks(self: &Arc<Self>, on: &mut Callbacks) {
        on.call(EventName::ChannelPark, |_, _| ());
    }

    async fn set_up(&self, _: &Context) -> Result<(), BoxError> {
        Err("never".into())
    }
}

fn scope(target: &Target) -> (Scope, Arc<AtomicUsize>) {
    let torn_down = Arc::<AtomicUsize>::default();
    (Scope::of(target.contact.clone()).app_as(own_id("scope"), Counted(torn_down.clone())), torn_down)
}

/// That nothing is left of a client's scope.
async fn is_taken_down(client: &Client, torn_down: &AtomicUsize, target: &Target) {
    assert!(client.is_closed());
    assert!(client.apps().ids().is_empty());
    assert_eq!(torn_down.load(Ordering::Relaxed), 1);
    assert!(client.listener().is_some_and(|listener| !listener.is_connected()));
    target.nobody_is_connected().await;
}

#[tokio::test]
async fn a_call_within_a_scope() {
    for target in targets().await {
        let (scope, torn_down) = scope(&target);
        let id = own_id("tone");
        let outcome = scope.app_as(&id, TonePlay).run(async |client| {
            let job = client.originate_as(&id, to_park("tone")).await?;
            let uuid = job.get(SOON).await?;
            assert_eq!(job.session_uuid().map(|uuid| uuid.to_string()), Some(uuid));
            let listener = client.listener().expect("a listener");
            let call = listener.call(job.session_uuid().expect("a UUID")).expect("a call");
            assert_eq!(call.sessions()[0].uuid(), call.uuid());
            client.hupall(None).await?;
            Ok::<_, Error>(client.clone())
        });
        is_taken_down(&outcome.await.unwrap(), &torn_down, &target).await;
    }
}

#[tokio::test]
async fn an_error_takes_it_down() {
    for target in targets().await {
        let (scope, torn_down) = scope(&target);
        let mut kept = None;
        let outcome = scope.run(async |client| {
            kept = Some(client.clone());
            client.cmd("no_such_command").await
        });
        let error = outcome.await.unwrap_err();
        assert!(error.command_failure().is_some(), "{error}");
        is_taken_down(&kept.unwrap(), &torn_down, &target).await;
    }
}

#[tokio::test]
async fn a_panic_takes_it_down_and_goes_on() {
    for target in targets().await {
        let (scope, torn_down) = scope(&target);
        let (give, kept) = oneshot::channel();
        let run = tokio::spawn(async move {
            let outcome: Result<(), Error> = scope
                .run(async |client| {
                    let _ = give.send(client.clone());
                    client.cmd("version").await?;
                    panic!("of its own")
                })
                .await;
            outcome
        });
        let panic = run.await.unwrap_err().into_panic();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"of its own"));
        is_taken_down(&kept.await.unwrap(), &torn_down, &target).await;
    }
}

#[tokio::test]
async fn dropped_scope_is_taken_down() {
    for target in targets().await {
        let (scope, torn_down) = scope(&target);
        let (give, kept) = oneshot::channel();
        let run = scope.run(async |client| {
            let _ = give.send(client.clone());
            std::future::pending::<Result<(), Error>>().await
        });
        let client = tokio::select! {
            outcome = run => panic!("it waits for ever: {outcome:?}"),
            client = kept => client.expect("it runs"),
        };
        until("it is closed", || client.is_closed()).await;
        is_taken_down(&client, &torn_down, &target).await;
    }
}

#[tokio::test]
async fn nothing_is_left_where_it_does_not_begin() {
    for target in targets().await {
        let (scope, torn_down) = scope(&target);
        let error = scope.app(Refused).open().await.unwrap_err();
        assert!(error.to_string().contains("never"), "{error}");
        assert_eq!(torn_down.load(Ordering::Relaxed), 1);
        target.nobody_is_connected().await;

        let wrong = Scope::new(target.contact.address.clone(), Credentials::password("wrong"));
        let outcome: Result<(), Error> = wrong.run(async |_| panic!("not run")).await;
        assert!(outcome.unwrap_err().is_password());
        target.nobody_is_connected().await;
    }
}

//! Services start, run and stop.

use std::sync::Arc;

use esl_core::{Bridge, Contact, Credentials, Router, Routing, Scope, Service};
use tokio::time::timeout;

use crate::{SOON, own_id, simulated, targets, to_park, until};

fn answering() -> Arc<Router> {
    let router = Router::new().route("", |session, _, _| async move {
        session.answer().await?;
        Ok(Routing::Stop)
    });
    Arc::new(router.expect("a pattern"))
}

#[tokio::test]
async fn a_service_processes_calls_until_it_is_stopped() {
    for target in targets().await {
        let (id, router) = (own_id("service"), answering());
        let service = Arc::new(Service::connect([target.contact.clone()]).await.unwrap());
        service.load_app_as(&id, |_| router.clone()).await.unwrap();
        assert!(!service.is_alive(), "not before it runs");
        let stopper = service.stopper();
        let run = tokio::spawn({
            let service = service.clone();
            async move { service.run().await }
        });
        until("it runs", || service.is_alive()).await;

        let caller = Scope::of(target.contact.clone()).open().await.unwrap();
        let job = caller.client().originate_as(&id, to_park("1")).await.unwrap();
        job.get(SOON).await.expect("the service answers");
        assert_eq!(router.stats().routed, 1);
        // The caller's header ties both legs; the server says that they are two calls.
        let listener = service.pool().slaves()[0].listener();
        let ours = || listener.sessions().into_iter().filter(|leg| leg.app_id().as_ref() == Some(&id));
        assert_eq!(ours().count(), 2);
        assert!(ours().all(|leg| leg.call().is_some_and(|call| call.sessions() == [leg.clone()])));
        assert_eq!(caller.listener().call(job.session_uuid().unwrap()).unwrap().sessions().len(), 2);

        stopper.stop();
        timeout(SOON, run).await.expect("it ends").unwrap().expect("as it was asked to");
        assert!(!service.is_alive());
        assert!(service.pool().slaves()[0].client().apps().ids().is_empty());
        assert_eq!(Arc::strong_count(&router), 1, "nothing keeps the app");
        service.run().await.expect("once stopped, it stays so");
        service.stop().await;
        caller.client().hupall(None).await.unwrap();
        caller.close().await;
        target.nobody_is_connected().await;
    }
}

#[tokio::test]
async fn bridged_legs_are_one_call() {
    for target in targets().await {
        let id = own_id("service");
        let to = Bridge::to("9196@127.0.0.1:5080").profile("external");
        let router = Arc::new(Router::new().route("", Router::bridge(to)).unwrap());
        let service = Service::connect([target.contact.clone()]).await.unwrap();
        service.load_app_as(&id, |_| router.clone()).await.unwrap();
        let caller = Scope::of(target.contact.clone()).open().await.unwrap();
        let calls = async {
            until("it runs", || service.is_alive()).await;
            let job = caller.client().originate_as(&id, to_park("1")).await.unwrap();
            job.get(SOON).await.expect("an answer");
            let listener = service.pool().slaves()[0].listener();
            until("two legs are one call", || {
                listener.calls().iter().any(|call| {
                    call.sessions().len() == 2
                        && call.first().app_id().as_ref() == Some(&id)
                        && call.first().is_inbound()
                        && call.last().is_some_and(|leg| leg.is_outbound())
                })
            })
            .await;
            caller.client().hupall(None).await.unwrap();
            service.stop().await;
        };
        let (run, ()) = tokio::join!(service.run(), calls);
        run.unwrap();
        caller.close().await;
    }
}

#[tokio::test]
async fn service_lives_as_long_as_one_of_its_servers() {
    let (one, mut two) = (simulated().await, simulated().await);
    // Without getting connections back, a server that stops is gone for good.
    let contacts = [one.contact.clone(), two.contact.clone()].map(|mut contact| {
        contact.options.reconnect = None;
        contact
    });
    let service = Service::connect(contacts).await.unwrap();
    service.load_app(|_| answering()).await.unwrap();
    let mut run = Box::pin(service.run());
    tokio::select! {
        outcome = &mut run => panic!("{outcome:?}"),
        () = until("it runs", || service.is_alive()) => {}
    }
    two.simulated.take().unwrap().stop().await;
    let alive = || service.pool().evals(|slave| slave.is_alive());
    let second_is_gone = until("the second one is gone", || alive() == [true, false]);
    tokio::select! {
        outcome = &mut run => panic!("{outcome:?}"),
        () = second_is_gone => {}
    }
    assert!(service.is_alive());
    // A call from outside is answered by the one that is left.
    let caller = Scope::of(one.contact.clone()).open().await.unwrap();
    let answered = async { caller.client().originate(to_park("1")).await.unwrap().get(SOON).await };
    tokio::select! {
        outcome = &mut run => panic!("{outcome:?}"),
        answered = answered => drop(answered.unwrap()),
    }
    caller.close().await;
    let first_stops = async { one.simulated.unwrap().stop().await };
    let (outcome, ()) = tokio::join!(timeout(SOON, &mut run), first_stops);
    let error = outcome.expect("it ends").unwrap_err();
    assert!(error.is_closed(), "{error}");
    assert_eq!(error.failures().len(), 2);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_before_anything_runs() {
    let nowhere = Contact::new("127.0.0.1:1", Credentials::password("x"));
    let error = Service::connect([nowhere]).await.unwrap_err();
    assert_eq!(error.failures()[0].0, "127.0.0.1:1");
}

//! Calls are routed by guards, patterns and handlers.

use std::sync::{Arc, Mutex};

use esl_core::{Bridge, EventName, HangupCause, Match, Router, RouterStats, Routing, Scope, Scoped, Session};

use crate::{SOON, Target, own_id, simulated, targets, to_park, until};

/// What handlers did, in their order.
#[derive(Clone, Default)]
struct Story(Arc<Mutex<Vec<String>>>);

impl Story {
    fn add(&self, text: impl Into<String>) {
        self.0.lock().expect("no panic").push(text.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("no panic"))
    }
}

/// A client with a router under an id of its own.
async fn routing(target: &Target, router: Router) -> (Scoped, String, Arc<Router>) {
    let (id, router) = (own_id("router"), Arc::new(router));
    let scope = Scope::of(target.contact.clone()).app_as(&id, router.clone());
    (scope.open().await.expect("a scope"), id, router)
}

/// What a call to a number comes to: its first session, or the cause of its failure.
async fn dial(scoped: &Scoped, id: &str, number: &str) -> Result<Session, String> {
    let job = scoped.client().originate_as(id, to_park(number)).await.expect("an originate");
    match job.get(SOON).await {
        Ok(uuid) => Ok(scoped.listener().session(uuid.parse().expect("a UUID")).expect("the session")),
        Err(error) => Err(error.command_failure().unwrap_or_else(|| panic!("{error}")).words.clone()),
    }
}

#[tokio::test]
async fn routes_run_in_their_order_past_failures_until_one_stops() {
    for target in targets().await {
        let story = Story::default();
        let [first, second, third, fourth] = std::array::from_fn(|_| story.clone());
        let router = Router::new()
            .route("1", move |_, _, _| {
                first.add("fails");
                async { Err("no such luck".into()) }
            })
            .unwrap()
            .route("1(?<rest>0[0-9])$", move |session: Session, found: Match, _| {
                let story = third.clone();
                async move {
                    story.add(format!("answers {} {}", &found[0], found.name("rest").unwrap_or_default()));
                    session.answer().await?;
                    Ok(Routing::Stop)
                }
            })
            .unwrap()
            // The pattern of the first route again: in its place.
            .route("1", move |_, _, _| {
                second.add("panics");
                assert!(std::hint::black_box(false), "a handler's own doing");
                async { Ok(Routing::Continue) }
            })
            .unwrap()
            .route_on("Caller-Destination-Number", ".*", move |session, _, _| {
                let story = fourth.clone();
                async move {
                    story.add("hangs up");
                    session.hangup_with(HangupCause::of("USER_BUSY")).await?;
                    Ok(Routing::Continue)
                }
            })
            .unwrap();
        let (scoped, id, router) = routing(&target, router).await;

        let session = dial(&scoped, &id, "105").await.expect("an answer");
        assert_eq!(story.take(), ["fails", "panics", "answers 105 05"]);
        assert!(session.answered() && !session.ended());
        session.hangup().await.unwrap();

        assert_eq!(dial(&scoped, &id, "19").await.unwrap_err(), "USER_BUSY");
        assert_eq!(story.take(), ["fails", "panics", "hangs up"]);
        assert_eq!(dial(&scoped, &id, "2105").await.unwrap_err(), "USER_BUSY");
        assert_eq!(story.take(), ["hangs up"], "patterns match at the start");
        assert_eq!(router.stats(), RouterStats { routed: 3, failed: 4, ..RouterStats::default() });
        scoped.close().await;
    }
}

#[tokio::test]
async fn what_is_not_routed_is_rejected_or_left_alone() {
    for target in targets().await {
        let answers = || {
            Router::new().route("1", |session, _, _| async move {
                session.answer().await?;
                Ok(Routing::Stop)
            })
        };
        let kept_out = |router: Router| router.guard("variable_sofia_profile_name", "doggy");

        let (scoped, id, router) = routing(&target, answers().unwrap()).await;
        assert_eq!(dial(&scoped, &id, "2").await.unwrap_err(), "NO_ROUTE_DESTINATION");
        assert_eq!(router.stats(), RouterStats { unmatched: 1, rejected: 1, ..RouterStats::default() });
        scoped.close().await;

        let (scoped, id, router) = routing(&target, kept_out(answers().unwrap())).await;
        assert_eq!(dial(&scoped, &id, "1").await.unwrap_err(), "NO_ROUTE_DESTINATION");
        assert_eq!(router.stats(), RouterStats { guarded: 1, rejected: 1, ..RouterStats::default() });
        scoped.close().await;

        let router = answers().unwrap().guard("Call-Direction", "inbound").guard("variable_sofia_profile_name", "park");
        let router = router.reject_with(HangupCause::of("CALL_REJECTED"));
        let (scoped, id, router) = routing(&target, router).await;
        dial(&scoped, &id, "1").await.expect("all guards are passed").hangup().await.unwrap();
        assert_eq!(dial(&scoped, &id, "2").await.unwrap_err(), "CALL_REJECTED");
        assert_eq!(router.stats(), RouterStats { routed: 1, unmatched: 1, rejected: 1, ..RouterStats::default() });
        scoped.close().await;

        let router = kept_out(answers().unwrap()).reject_on_guard(false);
        let (scoped, id, router) = routing(&target, router).await;
        let job = scoped.client().originate_as(&id, to_park("1")).await.unwrap();
        until("the guard was met", || router.stats().guarded == 1).await;
        let sessions = scoped.listener().sessions();
        let ours = |session: &&Session| session.app_id().as_deref() == Some(&id) && session.is_inbound();
        let inbound = sessions.iter().find(ours).expect("the inbound leg");
        assert!(inbound.last(EventName::ChannelPark).is_some(), "parked");
        assert_eq!((inbound.answered(), inbound.times().hung_up), (false, None), "left alone");
        assert_eq!(router.stats().rejected, 0);
        // Another one under the same id routes what the first one leaves alone.
        let second = Router::new().named("second").reject_unmatched(false).guard("Call-Direction", "inbound");
        scoped.client().load_app_as(&id, second).await.unwrap();
        assert_eq!(scoped.client().apps().names(&id), ["Router", "second"]);
        scoped.client().hupall(Some(&id)).await.unwrap();
        assert!(job.get(SOON).await.is_err());
        scoped.close().await;
    }
}

#[tokio::test]
async fn a_call_is_bridged_to_where_its_number_says() {
    for target in targets().await {
        let bridged =
            Router::bridge_with(|_, found| Bridge::to(format!("{}@127.0.0.1:5080", &found[1])).profile("external"));
        let router = Router::new().route("8([0-9]+)$", bridged).unwrap();
        let (scoped, id, router) = routing(&target, router).await;
        let session = dial(&scoped, &id, "89196").await.expect("an answer from 9196");
        let call = session.call().expect("a call");
        until("all legs are up", || call.sessions().len() == 4).await;
        assert!(call.sessions().iter().all(Session::answered), "{call:?}");
        until("the bridge is up", || {
            call.sessions().iter().any(|leg| leg.is_inbound() && leg.last(EventName::ChannelBridge).is_some())
        })
        .await;
        session.hangup().await.unwrap();
        until("the call is gone", || scoped.listener().call(call.uuid()).is_none()).await;

        // Nobody is there: the bridge fails, which is logged and counted, and the call ends with the cause.
        assert_eq!(dial(&scoped, &id, "8486").await.unwrap_err(), "USER_BUSY");
        until("the failure is counted", || router.stats().failed == 1).await;
        scoped.close().await;
    }
}

#[tokio::test]
async fn calls_from_outside_belong_to_the_default_id() {
    // Only where nobody else's calls come in.
    let target = simulated().await;
    let router = Router::new().route("", |session, _, _| async move {
        session.answer().await?;
        Ok(Routing::Stop)
    });
    let scope = Scope::of(target.contact.clone()).app_as(esl_core::DEFAULT_APP_ID, router.unwrap());
    let scoped = scope.open().await.unwrap();
    let job = scoped.client().originate(to_park("1")).await.unwrap();
    job.get(SOON).await.expect("an answer");
    scoped.client().hupall(None).await.unwrap();
    scoped.close().await;
    target.nobody_is_connected().await;
}

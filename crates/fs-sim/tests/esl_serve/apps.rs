//! The ready-made apps.

use esl_core::apps::{Bridger, Proxier, TonePlay};
use esl_core::{Bridge, EventName, Originate, Scope, Scoped, Session};

use crate::{SOON, Target, own_id, targets, to, to_park, until};

async fn with_app<A: esl_core::App>(target: &Target, app: A) -> (Scoped, String) {
    let id = own_id("app");
    (Scope::of(target.contact.clone()).app_as(&id, app).open().await.expect("a scope"), id)
}

/// The first session of a call that is up.
async fn up(scoped: &Scoped, id: &str, call: Originate) -> Session {
    let job = scoped.client().originate_as(id, call).await.expect("an originate");
    let uuid = job.get(SOON).await.expect("an answer");
    scoped.listener().session(uuid.parse().expect("a UUID")).expect("the session")
}

/// Hangs up, and waits until every leg is gone.
async fn down(scoped: Scoped, session: &Session) {
    session.hangup().await.expect("it is hung up");
    until("all legs are gone", || scoped.listener().sessions().iter().all(|leg| leg.app_id() != session.app_id()))
        .await;
    scoped.close().await;
}

/// The application that a session began last, with its argument.
fn runs(session: &Session) -> Option<(String, String)> {
    let event = session.last(EventName::ChannelExecute)?;
    Some((event.get("Application")?.into_owned(), event.get("Application-Data").unwrap_or_default().into_owned()))
}

#[tokio::test]
async fn a_tone_is_played_and_echoed() {
    for target in targets().await {
        let (scoped, id) = with_app(&target, TonePlay).await;
        let session = up(&scoped, &id, to_park("tone")).await;
        let call = session.call().expect("a call");
        until("both legs are there", || call.sessions().len() == 2).await;
        let peer = call.get_peer(&session).expect("a far leg");
        assert!(session.is_outbound() && peer.is_inbound());
        let tone = "{loops=-1}tone_stream://%(251,0,1004)";
        let endless = ("endless_playback".to_owned(), tone.to_owned());
        until("the tone is played", || runs(&session).as_ref() == Some(&endless)).await;
        until("it is echoed", || runs(&peer).is_some_and(|(application, _)| application == "echo")).await;
        assert_eq!(scoped.listener().app_stats(&id).failed, 0);
        assert!(scoped.client().apps().get::<TonePlay>(&id).is_some());
        down(scoped, &session).await;
    }
}

#[tokio::test]
async fn a_call_goes_on_to_where_it_wanted_to_go() {
    for target in targets().await {
        let (scoped, id) = with_app(&target, Proxier).await;
        // By way of the server that parks, to somewhere else: its request's URI says where.
        let address = "9196@127.0.0.1:5080;fs_path=sip:127.0.0.1:5090";
        let session = up(&scoped, &id, to(address)).await;
        let call = session.call().expect("a call");
        until("all legs are up", || call.sessions().len() == 4).await;
        let proxied = call.sessions().into_iter().find(|leg| leg.is_inbound()).expect("an inbound leg");
        assert_eq!(proxied.variable("sip_req_uri").as_deref(), Some("9196@127.0.0.1:5080"));
        let on = ("bridge".to_owned(), "sofia/park/9196@127.0.0.1:5080".to_owned());
        assert_eq!(runs(&proxied), Some(on));
        down(scoped, &session).await;
    }
}

#[tokio::test]
async fn each_leg_of_a_call_is_bridged_to_a_place_of_its_own() {
    for target in targets().await {
        let again = Bridge::to("again@127.0.0.1:5090").profile("external").param("second_time", "true");
        let bridger = Bridger::new().nth(1, again).nth(2, Bridge::to("9196@127.0.0.1:5080").profile("external"));
        let (scoped, id) = with_app(&target, bridger).await;
        let session = up(&scoped, &id, to_park("once")).await;
        let call = session.call().expect("a call");
        // There and back twice, and out to 9196.
        until("all legs are up", || call.sessions().len() == 6).await;
        assert!(call.sessions().iter().all(Session::answered));
        assert_eq!(scoped.listener().app_stats(&id).failed, 0);
        down(scoped, &session).await;
    }
}

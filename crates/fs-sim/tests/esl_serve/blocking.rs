//! Calls from a script, whose functions wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use esl_core::apps::TonePlay;
use esl_core::{App, Callbacks, Context, Credentials, EventName, Originate, Scope, blocking};
use uuid::Uuid;

use crate::{SOON, Target, own_id, targets, to, to_park};

/// Servers, simulated in a runtime of their own, and tried from a thread without one.
fn each(body: impl Fn(&Target)) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    for target in runtime.block_on(targets()) {
        body(&target);
        runtime.block_on(target.nobody_is_connected());
    }
}

#[test]
fn a_call_from_a_script() {
    each(|target| {
        let id = own_id("tone");
        let scope = Scope::of(target.contact.clone()).app_as(&id, TonePlay);
        let client = blocking::Client::open(scope).unwrap();
        assert!(client.api("version").unwrap().text().contains("FreeSWITCH"));
        assert!(client.cmd("no_such_command").unwrap_err().command_failure().is_some());

        let session = client.call(to_park("tone"), &id, SOON).unwrap();
        assert!(session.answered() && session.get_ref().is_outbound() && !session.ended());
        assert!(session.peer().is_some_and(|peer| peer.get_ref().is_inbound()));
        session.setvar("n", "it's it").unwrap();
        assert_eq!(session.getvar("n").unwrap().as_deref(), Some("it's it"));
        let ended = session.expect(EventName::ChannelHangup, SOON);
        session.hangup().unwrap();
        ended.get().unwrap();
        session.wait_until(SOON, |session| session.ended()).unwrap();
        assert!(session.answer().is_ok(), "it was answered");
        assert!(session.getvar("n").is_err());
        client.disconnect();
    });
}

/// Writes into every session of the id that it was answered, and counts how often it is torn down.
#[derive(Default)]
struct Notes(Arc<AtomicUsize>);

impl App for Notes {
    fn callbacks(self: &Arc<Self>, on: &mut Callbacks) {
        on.call(EventName::ChannelAnswer, |event, session| {
            let text = event.get("Answer-State").unwrap_or_default().into_owned();
            session.vars(|vars| vars.insert("noted".to_owned(), text));
        });
    }

    async fn tear_down(&self, _: &Context) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn jobs_and_what_apps_note() {
    each(|target| {
        let client = blocking::Client::connect(&target.contact.address, &target.contact.credentials).unwrap();
        let id = own_id("notes");
        assert_eq!(client.load_app_as(&id, Notes::default()).unwrap(), id);
        let call = to("9196@127.0.0.1:5080");
        let job = client.originate_as(&id, call).unwrap();
        assert_eq!(job.get(SOON).unwrap(), job.session_uuid().unwrap().to_string());
        assert_eq!((job.ready(), job.successful()), (true, Some(true)));

        let session = client.call(to_a_tone(), &id, SOON).unwrap();
        assert_eq!(session.wait_for("noted", SOON).unwrap(), "answered");
        let late = session.wait_for("nothing", Duration::from_millis(30)).unwrap_err();
        assert!(late.is_timeout(), "{late}");
        assert!(session.recv(EventName::ChannelHangup, Duration::from_millis(30)).unwrap_err().is_timeout());
        client.hupall(None).unwrap();
        assert!(session.wait_for("nothing", SOON).unwrap_err().ended().is_some());
        assert_eq!(client.unload_app(&id, None).unwrap(), 1);
        let torn_down = Arc::<AtomicUsize>::default();
        client.load_app(Notes(torn_down.clone())).unwrap();

        let job = client.bgapi(&format!("uuid_kill {}", Uuid::new_v4())).unwrap();
        assert!(job.wait(SOON).unwrap());
        assert_eq!(job.successful(), Some(false));
        drop(client);
        assert_eq!(torn_down.load(Ordering::Relaxed), 1, "before it is gone");
    });
}

fn to_a_tone() -> Originate {
    to("9197@127.0.0.1:5080")
}

#[test]
fn call_that_does_not_come_up_in_time_is_hung_up() {
    each(|target| {
        let id = own_id("tone");
        let scope = Scope::of(target.contact.clone()).app_as(&id, TonePlay);
        let client = blocking::Client::open(scope).unwrap();
        let call = |number: &str| {
            let call = to(&format!("{number}@127.0.0.1:5080"));
            (call.channel(), call)
        };
        let (_, busy) = call("486");
        assert_eq!(client.call(busy, &id, SOON).unwrap_err().command_failure().unwrap().words, "USER_BUSY");
        // Neither is answered within the time-out, however late that is noticed.
        for number in ["noanswer", "early60000"] {
            let (uuid, late) = call(number);
            let error = client.call(late, &id, Duration::from_millis(300)).unwrap_err();
            assert!(error.is_timeout(), "{number}: {error}");
            assert_eq!(client.cmd(&format!("uuid_exists {uuid}")).unwrap(), "false", "{number}");
        }
        // Early media alone is no answer.
        let (_, early) = call("early300");
        assert!(client.call(early, &id, Duration::MAX).unwrap().answered());
        client.hupall(None).unwrap();

        let (_, nobody_s) = call("park");
        let error = client.call(nobody_s, "no-such-app", SOON).unwrap_err();
        assert!(error.to_string().contains("no-such-app"), "{error}");
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inside_a_runtime_there_is_an_error_and_no_panic() {
    for target in targets().await {
        let (address, credentials) = (target.contact.address.clone(), Credentials::password("ClueCon"));
        let error = blocking::Client::connect(&address, &credentials).unwrap_err();
        assert!(error.is_inside_runtime(), "{error}");

        // Made elsewhere and brought here.
        let credentials = target.contact.credentials.clone();
        let torn_down = Arc::<AtomicUsize>::default();
        let notes = Notes(torn_down.clone());
        let made = std::thread::spawn(move || {
            let client = blocking::Client::connect(&address, &credentials).unwrap();
            client.load_app(notes).unwrap();
            let job = client.originate(to_a_tone()).unwrap();
            job.get(SOON).unwrap();
            let session = client.listener().session(job.session_uuid().unwrap()).unwrap();
            (client, job, session)
        });
        let (client, job, _session) = made.join().expect("no panic");
        assert!(client.cmd("version").unwrap_err().is_inside_runtime());
        assert!(job.wait(SOON).unwrap_err().is_inside_runtime());
        assert!(client.block_on(async {}).unwrap_err().is_inside_runtime());
        // Its runtime is not this one: its client can be awaited here.
        client.get_ref().hupall(None).await.unwrap();
        let kept = client.get_ref().clone();
        drop((client, job));
        crate::until("it is closed", || kept.is_closed()).await;
        assert_eq!(torn_down.load(Ordering::Relaxed), 1, "politely");
        target.nobody_is_connected().await;
    }
}

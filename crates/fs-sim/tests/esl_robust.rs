//! What the client library's apps, jobs and handles do when somebody panics, gives up, or takes a thing away under them.

#[path = "support/until.rs"]
mod until;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use esl_core::{
    App, BoxError, Callbacks, Client, Contact, Context, Credentials, EventListener, EventName, Originate, Slave,
    WeakClient,
};
use fs_sim::{Config, Server};
use tokio::time::timeout;
use until::{SOON, until};
use uuid::Uuid;

async fn slave() -> (Server, Slave) {
    let server = Server::start(Config { sessions_per_second: 10_000, ..Config::default() }).await.expect("a server");
    let contact = Contact::new(server.addr().to_string(), Credentials::password("ClueCon"));
    let slave = Slave::connect(&contact).await.expect("connected");
    (server, slave)
}

fn call() -> Originate {
    Originate::new(Uuid::new_v4(), "null/x", "park")
}

/// Calls a function for every answer, before and after a pause that lasts until the session is told to go on.
struct Probe<F> {
    begins: F,
    torn_down: Arc<AtomicUsize>,
}

impl<F: Fn() -> usize + Send + Sync + 'static> App for Probe<F> {
    fn name(&self) -> String {
        "Probe".to_owned()
    }

    fn callbacks(self: &Arc<Self>, on: &mut Callbacks) {
        let app = self.clone();
        on.handler(EventName::ChannelAnswer, move |_, session| {
            (app.begins)();
            let app = app.clone();
            async move {
                session.recv(EventName::ChannelHangup, SOON).await?;
                assert_eq!(app.torn_down.load(Ordering::SeqCst), 0, "nothing runs any more once it is torn down");
                Ok(())
            }
        });
    }

    async fn tear_down(&self, _: &Context) {
        self.torn_down.fetch_add(1, Ordering::SeqCst);
    }
}

fn probe(begins: impl Fn() -> usize + Send + Sync + 'static) -> (impl App, Arc<AtomicUsize>) {
    let torn_down = Arc::<AtomicUsize>::default();
    (Probe { begins, torn_down: torn_down.clone() }, torn_down)
}

#[tokio::test]
async fn a_handler_that_panics_before_it_waits_ends_nobody_else() {
    let (_server, slave) = slave().await;
    let calls = Arc::<AtomicUsize>::default();
    let counter = calls.clone();
    let (app, _) = probe(move || match counter.fetch_add(1, Ordering::SeqCst) {
        0 => panic!("on purpose"),
        before => before,
    });
    slave.client().load_app_as("x", app).await.unwrap();
    for _ in 0..3 {
        slave.client().originate_as("x", call()).await.unwrap().get(SOON).await.unwrap();
    }
    until("it is called for all three", || calls.load(Ordering::SeqCst) == 3).await;
    assert_eq!(slave.listener().app_stats("x").failed, 1);
    slave.client().hupall(None).await.unwrap();
}

#[tokio::test]
async fn an_app_is_torn_down_when_nothing_of_it_runs() {
    let (_server, slave) = slave().await;
    let calls = Arc::<AtomicUsize>::default();
    let counter = calls.clone();
    let (app, torn_down) = probe(move || counter.fetch_add(1, Ordering::SeqCst));
    slave.client().load_app_as("x", app).await.unwrap();
    slave.client().originate_as("x", call()).await.unwrap().get(SOON).await.unwrap();
    until("its handler waits", || calls.load(Ordering::SeqCst) == 1).await;
    timeout(SOON, slave.client().unload_app("x", None)).await.expect("a handler that waits is ended");
    assert_eq!(torn_down.load(Ordering::SeqCst), 1);
    slave.client().hupall(None).await.unwrap();
    assert_eq!(slave.listener().app_stats("x").failed, 0);
}

#[tokio::test]
async fn what_is_unloaded_gets_nothing_whatever_listener_there_is_meanwhile() {
    let (_server, slave) = slave().await;
    let calls = Arc::<AtomicUsize>::default();
    let counter = calls.clone();
    let (app, _) = probe(move || counter.fetch_add(1, Ordering::SeqCst));
    slave.client().load_app_as("x", app).await.unwrap();
    let other = EventListener::new(slave.address(), Credentials::password("ClueCon"));
    other.connect().await.unwrap();
    other.start().unwrap();
    slave.client().attach(&other);
    assert_eq!(slave.client().unload_app("x", None).await, 1);
    let job = slave.client().originate_as("x", call()).await.unwrap();
    job.get(SOON).await.unwrap();
    // The first listener has seen the answer too, and told nobody.
    until("seen", || slave.listener().session(job.uuid()).is_some_and(|session| session.answered())).await;
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    slave.client().hupall(None).await.unwrap();
}

/// Keeps what it is told of its client.
#[derive(Default)]
struct Keeping(Mutex<Option<WeakClient>>);

impl App for Keeping {
    fn callbacks(self: &Arc<Self>, on: &mut Callbacks) {
        on.call(EventName::ChannelAnswer, |_, _| ());
    }

    async fn set_up(&self, context: &Context) -> Result<(), BoxError> {
        assert!(context.client.downgrade().upgrade().is_some());
        *self.0.lock().expect("nobody panicked") = Some(context.client.downgrade());
        Ok(())
    }
}

#[tokio::test]
async fn both_connections_close_when_the_last_handle_goes() {
    let (server, slave) = slave().await;
    slave.client().load_app(Keeping::default()).await.unwrap();
    let session = {
        let uuid = slave.client().originate(call()).await.unwrap().get(SOON).await.unwrap();
        slave.client().cmd(&format!("uuid_kill {uuid}")).await.unwrap();
        slave.listener().session(uuid.parse().unwrap())
    };
    assert_eq!(server.state().listeners, 2);
    drop(slave);
    server.wait_for(SOON, |state| state.listeners == 0).await.expect("nothing keeps them open");
    drop(session);
}

#[tokio::test]
async fn who_gives_up_an_originate_leaves_no_job_behind() {
    let (_server, slave) = slave().await;
    for _ in 0..50 {
        let client: Client = slave.client().clone();
        tokio::select! {
            biased;
            _ = client.originate(call()) => panic!("no server answers before it is asked"),
            () = std::future::ready(()) => {}
        }
    }
    assert_eq!(slave.listener().count_jobs(), 0);
    // Those that were sent are calls all the same.
    slave.client().cmd("echo all of them have been taken").await.unwrap();
    slave.client().hupall(None).await.unwrap();
    slave.client().hupall_within(None, Duration::MAX).await.unwrap();
}

#[tokio::test]
async fn starting_again_and_again_leaves_no_task_behind() {
    let (_server, slave) = slave().await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    for _ in 0..20 {
        slave.listener().disconnect().await;
        slave.listener().connect().await.unwrap();
        slave.listener().start().unwrap();
    }
    until("those that were are gone", || tasks() <= before + 2).await;
}

#[tokio::test]
async fn hanging_up_what_has_just_gone_is_no_error() {
    let (_server, slave) = slave().await;
    for _ in 0..30 {
        let uuid = slave.client().originate(call()).await.unwrap().get(SOON).await.unwrap();
        let session = slave.listener().session(uuid.parse().unwrap()).unwrap();
        slave.client().cmd(&format!("uuid_kill {uuid}")).await.unwrap();
        while slave.client().cmd(&format!("uuid_exists {uuid}")).await.unwrap() == "true" {}
        session.hangup().await.unwrap();
    }
}

//! Call applications: what they are, and those that a client has loaded.

use std::any::{Any, type_name};
use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Client;
use crate::error::{Error, Kind};
use crate::{Callbacks, EventListener};

/// A call application: a value that is loaded into a [`Client`] and gets events of the sessions that belong to it, those
/// of the calls that were originated under its id.
///
/// ```
/// use std::sync::Arc;
/// use esl_core::{App, Callbacks, EventName};
///
/// /// Answers whoever is parked, and sends their voice back.
/// struct Echo;
///
/// impl App for Echo {
///     fn callbacks(self: &Arc<Self>, on: &mut Callbacks) {
///         on.handler(EventName::ChannelPark, |_event, session| async move {
///             if session.is_inbound() {
///                 session.answer().await?;
///                 session.echo().await?;
///             }
///             Ok(())
///         });
///     }
/// }
/// ```
pub trait App: Send + Sync + Sized + 'static {
    /// Its name, by which it is told from others under the same id; also the id where none is given. As a rule its type's.
    fn name(&self) -> String {
        let name = type_name::<Self>().split('<').next().unwrap_or_default();
        name.rsplit("::").next().unwrap_or(name).to_owned()
    }

    /// Says what to call for which events.
    fn callbacks(self: &Arc<Self>, on: &mut Callbacks);

    /// Prepares it, before it gets any event.
    ///
    /// # Errors
    /// Any error keeps the application from being loaded, and leaves nothing of it behind.
    fn set_up(&self, context: &Context) -> impl Future<Output = Result<(), BoxError>> + Send {
        let _ = context;
        async { Ok(()) }
    }

    /// Cleans up, after its last event: its callbacks have returned by then, and handlers that were waiting are ended.
    fn tear_down(&self, context: &Context) -> impl Future<Output = ()> + Send {
        let _ = context;
        async {}
    }
}

/// Any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What an application is loaded into.
#[derive(Clone, Debug)]
pub struct Context {
    /// The client that loads it. An app that keeps a client keeps its connections open for good: it keeps a
    /// [`WeakClient`](crate::WeakClient) ([`Client::downgrade`]).
    pub client: Client,
    /// The id that it is loaded under.
    pub id: String,
}

type TearDown = Box<dyn FnOnce(Context) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

struct Loaded {
    name: String,
    /// Where its callbacks are, whatever listener the client has meanwhile.
    listener: EventListener,
    app: Arc<dyn Any + Send + Sync>,
    tear_down: TearDown,
}

/// The applications that a client has loaded.
#[derive(Default)]
pub struct AppSet(Mutex<BTreeMap<String, Vec<Loaded>>>);

impl AppSet {
    /// The ids under which something is loaded, in alphabetical order.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// The names of what is loaded under an id, in the order of loading.
    #[must_use]
    pub fn names(&self, id: &str) -> Vec<String> {
        self.lock().get(id).map(|apps| apps.iter().map(|app| app.name.clone()).collect()).unwrap_or_default()
    }

    /// The application of that type under an id, `None` where there is none.
    #[must_use]
    pub fn get<A: App>(&self, id: &str) -> Option<Arc<A>> {
        self.lock().get(id)?.iter().find_map(|loaded| loaded.app.clone().downcast().ok())
    }

    pub(crate) async fn load<A: App>(&self, context: Context, id: Option<&str>, app: A) -> Result<String, Error> {
        let name = app.name();
        let id = id.unwrap_or(&name).to_owned();
        let refused = |reason: String| Error::from(Kind::App { id: id.clone(), reason });
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if id.is_empty() || !id.chars().all(fits) {
            return Err(refused("an id is made of letters, digits, '-', '_' and '.'".to_owned()));
        }
        let listener = context.client.listener().ok_or(Kind::NoListener)?;
        let app = Arc::new(app);
        let mut callbacks = Callbacks::default();
        app.callbacks(&mut callbacks);
        if callbacks.is_empty() {
            return Err(refused(format!("{name} has no callbacks")));
        }
        let taken = || refused(format!("{name} is loaded under this id already; load it under another one"));
        if listener.groups().contains(&id, &name) {
            return Err(taken());
        }
        let context = Context { id: id.clone(), ..context };
        app.set_up(&context).await.map_err(|error| refused(error.to_string()))?;
        let events = callbacks.events();
        if let Err(error) = listener.want(&events).await {
            app.tear_down(&context).await;
            return Err(refused(error.to_string()));
        }
        if !listener.groups().add(&id, &name, callbacks) {
            listener.unwant(&events).await;
            app.tear_down(&context).await;
            return Err(taken());
        }
        let torn = app.clone();
        let tear_down: TearDown = Box::new(move |context| Box::pin(async move { torn.tear_down(&context).await }));
        self.lock().entry(id.clone()).or_default().push(Loaded { name, listener, app, tear_down });
        Ok(id)
    }

    /// Unloads what is under an id, or what has that name under it. Says how many were.
    pub(crate) async fn unload(&self, context: Context, name: Option<&str>) -> usize {
        let mut count = 0;
        // One by one: where this is given up, those that it did not come to are still loaded.
        while let Some(app) = self.take(&context.id, name) {
            count += 1;
            if let Some(events) = app.listener.groups().remove(&context.id, &app.name).await {
                app.listener.unwant(&events).await;
            }
            (app.tear_down)(context.clone()).await;
        }
        count
    }

    fn take(&self, id: &str, name: Option<&str>) -> Option<Loaded> {
        let mut apps = self.lock();
        let loaded = apps.get_mut(id)?;
        let place = loaded.iter().position(|app| name.is_none_or(|name| app.name == name))?;
        let app = loaded.remove(place);
        if loaded.is_empty() {
            apps.remove(id);
        }
        Some(app)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Loaded>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for AppSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let apps = self.lock();
        f.debug_map()
            .entries(apps.keys().map(|id| (id, apps[id].iter().map(|app| &app.name).collect::<Vec<_>>())))
            .finish()
    }
}

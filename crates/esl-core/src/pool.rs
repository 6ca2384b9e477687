//! Several servers as one: what is asked of each, and what they count together.

mod together;

use std::collections::HashMap;
use std::hash::Hash;

use self::together::together;
use crate::error::{Error, Kind};
use crate::{App, Contact, HangupCause, Slave};

/// A pool of servers, each with a client and a listener.
///
/// ```no_run
/// # async fn example() -> Result<(), esl_core::Error> {
/// use esl_core::apps::TonePlay;
/// use esl_core::{Contact, Credentials, Pool};
///
/// let servers = ["pbx1.example:8021", "pbx2.example:8021"];
/// let pool = Pool::connect(servers.map(|address| Contact::new(address, Credentials::password("ClueCon")))).await?;
/// pool.load_app(|_| TonePlay).await?;
/// let versions = pool.evals_async(|slave| async move { slave.client().cmd("version").await }).await;
/// println!("{versions:?}, {} calls", pool.count_calls());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Pool {
    slaves: Vec<Slave>,
}

impl Pool {
    /// Connects to all of them at the same time, and starts their listeners.
    ///
    /// # Errors
    /// One or more cannot be connected to: [`Error::failures`] names each, and the others' connections are closed. There
    /// are no contacts.
    pub async fn connect<C: Into<Contact>>(contacts: impl IntoIterator<Item = C>) -> Result<Self, Error> {
        let pool = Self::prepare(contacts).await?;
        pool.start().await?;
        Ok(pool)
    }

    /// Connects the clients of all of them at the same time: apps can be loaded, and see every event from the moment of
    /// [`Pool::start`] on.
    ///
    /// # Errors
    /// As [`Pool::connect`].
    pub async fn prepare<C: Into<Contact>>(contacts: impl IntoIterator<Item = C>) -> Result<Self, Error> {
        let contacts: Vec<Contact> = contacts.into_iter().map(Into::into).collect();
        if contacts.is_empty() {
            return Err(Kind::NoContacts.into());
        }
        let connecting = contacts.iter().map(Slave::prepare);
        Ok(Self { slaves: all(together(connecting).await)? })
    }

    /// Starts the listeners that do not run yet, all at the same time.
    ///
    /// # Errors
    /// As [`Pool::connect`], but that those that started run on.
    pub async fn start(&self) -> Result<(), Error> {
        all(together(self.slaves.iter().map(Slave::start)).await).map(drop)
    }

    /// The servers, in the order of the contacts.
    #[must_use]
    pub fn slaves(&self) -> &[Slave] {
        &self.slaves
    }

    /// How many servers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slaves.len()
    }

    /// Whether there are none, which cannot be.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slaves.is_empty()
    }

    /// The servers in turn, without end: whose turn it is to get the next call.
    pub fn cycle(&self) -> impl Iterator<Item = &Slave> + Clone {
        self.slaves.iter().cycle()
    }

    /// What `eval` gives for each server, in their order.
    pub fn evals<T>(&self, eval: impl FnMut(&Slave) -> T) -> Vec<T> {
        self.slaves.iter().map(eval).collect()
    }

    /// What `eval` gives for each server, in their order, asked of all at the same time.
    pub async fn evals_async<Fut: Future>(&self, eval: impl FnMut(Slave) -> Fut) -> Vec<Fut::Output> {
        together(self.slaves.iter().cloned().map(eval)).await
    }

    /// Loads an app into every server under its name, see [`Client::load_app`](crate::Client::load_app). `app` makes it for
    /// each: a value of its own, or the same one, as an `Arc` or whatever else shares what it knows. Returns the id, which
    /// is the same on all. Where this is dropped before its end, servers that have it keep it.
    ///
    /// # Errors
    /// As `Client::load_app`, with the server's address. It is loaded into none then.
    pub async fn load_app<A: App>(&self, app: impl FnMut(&Slave) -> A) -> Result<String, Error> {
        self.load(None, app).await
    }

    /// As [`Pool::load_app`], under an id of its own.
    ///
    /// # Errors
    /// As [`Pool::load_app`].
    pub async fn load_app_as<A: App>(&self, id: &str, app: impl FnMut(&Slave) -> A) -> Result<String, Error> {
        self.load(Some(id), app).await
    }

    async fn load<A: App>(&self, id: Option<&str>, mut app: impl FnMut(&Slave) -> A) -> Result<String, Error> {
        let mut id = id.map(str::to_owned);
        let mut loaded: Vec<(&Slave, String)> = Vec::with_capacity(self.len());
        for slave in &self.slaves {
            let app = app(slave);
            let name = app.name();
            // What the first one is loaded under is what all are.
            let under = id.get_or_insert_with(|| name.clone());
            if let Err(error) = slave.client().load_app_as(under, app).await {
                for (slave, name) in &loaded {
                    slave.client().unload_app(under, Some(name)).await;
                }
                return Err(Kind::Slaves(vec![(slave.address().to_owned(), error)]).into());
            }
            loaded.push((slave, name));
        }
        id.ok_or_else(|| Kind::NoContacts.into())
    }

    /// Unloads what is under an id, or what has that name under it, from every server. Says from how many.
    pub async fn unload_app(&self, id: &str, name: Option<&str>) -> usize {
        let unloaded = self.slaves.iter().map(|slave| slave.client().unload_app(id, name));
        together(unloaded).await.into_iter().filter(|&count| count > 0).count()
    }

    /// How many calls are up.
    #[must_use]
    pub fn count_calls(&self) -> usize {
        self.slaves.iter().map(|slave| slave.listener().count_calls()).sum()
    }

    /// How many sessions are up.
    #[must_use]
    pub fn count_sessions(&self) -> usize {
        self.slaves.iter().map(|slave| slave.listener().count_sessions()).sum()
    }

    /// How many jobs have no result yet.
    #[must_use]
    pub fn count_jobs(&self) -> usize {
        self.slaves.iter().map(|slave| slave.listener().count_jobs()).sum()
    }

    /// How many sessions failed.
    #[must_use]
    pub fn count_failed(&self) -> u64 {
        self.slaves.iter().map(|slave| slave.listener().count_failed()).sum()
    }

    /// How many sessions were answered.
    #[must_use]
    pub fn count_answered(&self) -> u64 {
        self.slaves.iter().map(|slave| slave.listener().count_answered()).sum()
    }

    /// How often sessions ended for which cause, on all servers together.
    #[must_use]
    pub fn hangup_causes(&self) -> HashMap<HangupCause, u64> {
        sum(self.hangup_causes_per_slave())
    }

    /// How often sessions ended for which cause, on each server.
    #[must_use]
    pub fn hangup_causes_per_slave(&self) -> Vec<HashMap<HangupCause, u64>> {
        self.evals(|slave| slave.listener().hangup_causes())
    }

    /// How many sessions of which app are up, on all servers together. Those that belong to none are not among them.
    #[must_use]
    pub fn sessions_per_app(&self) -> HashMap<String, u64> {
        sum(self.sessions_per_app_per_slave())
    }

    /// How many sessions of which app are up, on each server.
    #[must_use]
    pub fn sessions_per_app_per_slave(&self) -> Vec<HashMap<String, u64>> {
        self.evals(|slave| {
            let apps = slave.listener().sessions().into_iter().filter_map(|session| session.app_id());
            sum(apps.map(|app| [(app, 1)]))
        })
    }

    /// Hangs up the calls that this pool's clients originated, or those for one app, see
    /// [`Client::hupall`](crate::Client::hupall), on all servers at the same time.
    ///
    /// # Errors
    /// [`Error::failures`] names the servers where it failed; it was done on the others.
    pub async fn hupall(&self, app: Option<&str>) -> Result<(), Error> {
        let hung_up = self.slaves.iter().map(|slave| async move {
            let result = slave.client().hupall(app).await;
            result.map_err(|error| Kind::Slaves(vec![(slave.address().to_owned(), error)]).into())
        });
        all(together(hung_up).await).map(drop)
    }

    /// Unloads what is loaded, and closes all connections, see [`Slave::shut_down`].
    pub async fn shut_down(&self) {
        together(self.slaves.iter().map(Slave::shut_down)).await;
    }

    /// Waits until the last listener is over for good, and says why each is.
    pub(crate) async fn ended(&self) -> Error {
        let ends = self.slaves.iter().map(|slave| async move { (slave.address().to_owned(), slave.ended().await) });
        Kind::Slaves(together(ends).await).into()
    }
}

/// Everything that was got, or everything that failed.
fn all<T>(results: Vec<Result<T, Error>>) -> Result<Vec<T>, Error> {
    let (mut got, mut failed) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(thing) => got.push(thing),
            Err(error) => failed.extend_from_slice(error.failures()),
        }
    }
    if failed.is_empty() { Ok(got) } else { Err(Kind::Slaves(failed).into()) }
}

fn sum<K: Eq + Hash>(counts: impl IntoIterator<Item = impl IntoIterator<Item = (K, u64)>>) -> HashMap<K, u64> {
    let mut sum = HashMap::new();
    for (key, count) in counts.into_iter().flatten() {
        *sum.entry(key).or_default() += count;
    }
    sum
}

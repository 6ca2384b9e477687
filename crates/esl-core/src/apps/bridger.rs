//! Calls whose sessions are bridged, each to another place.

use std::collections::BTreeMap;
use std::sync::Arc;

use tracing::debug;

use crate::{App, Bridge, Callbacks, EventName};

/// Where a call keeps how many of its sessions were parked.
const COUNT: &str = "bridger.parked";

/// Bridges the sessions of a call as they are parked: the first one to one place, the second one to another, and so on. A
/// call can go through a server any number of times this way.
///
/// ```
/// use esl_core::Bridge;
/// use esl_core::apps::Bridger;
///
/// let bridger = Bridger::new().nth(2, Bridge::to("9196@127.0.0.1:5080").profile("external"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bridger {
    places: BTreeMap<u32, Bridge>,
}

impl Default for Bridger {
    fn default() -> Self {
        Self::new()
    }
}

impl Bridger {
    /// Bridges the first session of a call to the URI of its request, and leaves others parked.
    #[must_use]
    pub fn new() -> Self {
        Self { places: BTreeMap::from([(1, Bridge::on())]) }
    }

    /// Bridges the n-th session of a call that is parked, from 1 on, to this place.
    #[must_use]
    pub fn nth(mut self, session: u32, to: Bridge) -> Self {
        self.places.insert(session, to);
        self
    }

    /// Leaves the n-th session of a call that is parked alone.
    #[must_use]
    pub fn without(mut self, session: u32) -> Self {
        self.places.remove(&session);
        self
    }
}

impl App for Bridger {
    fn callbacks(self: &Arc<Self>, on: &mut Callbacks) {
        let app = self.clone();
        on.handler(EventName::ChannelPark, move |_, session| {
            // Counted here, where sessions come in their order, and not in the handler's task.
            let count = session.call().map(|call| {
                call.vars(|vars| {
                    let count =
                        vars.get(COUNT).and_then(|text| text.parse::<u32>().ok()).unwrap_or(0).saturating_add(1);
                    vars.insert(COUNT.to_owned(), count.to_string());
                    count
                })
            });
            let to = count.and_then(|count| app.places.get(&count)).cloned();
            async move {
                if let Some(to) = to {
                    session.bridge(to).await?;
                }
                Ok(())
            }
        });
        on.call(EventName::ChannelBridge, |event, session| {
            let other = event.get("Bridge-B-Unique-ID").unwrap_or_default();
            debug!(session = %session.uuid(), %other, "bridged");
        });
    }
}

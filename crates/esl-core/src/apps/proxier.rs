//! Calls from outside go on to where they wanted to go.

use std::sync::Arc;

use crate::{App, Bridge, Callbacks, EventName};

/// Bridges calls from outside that are parked to the URI of their request (`sip_req_uri`), out through the SIP profile that
/// they came in by. The simplest proxy there is, for tests; a [`Router`](crate::Router) can choose.
///
/// Calls from outside belong to [`DEFAULT_APP_ID`](crate::DEFAULT_APP_ID).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Proxier;

impl App for Proxier {
    fn callbacks(self: &Arc<Self>, on: &mut Callbacks) {
        on.handler(EventName::ChannelPark, |_, session| async move {
            if session.is_inbound() {
                session.bridge(Bridge::on()).await?;
            }
            Ok(())
        });
    }
}

//! A tone for whoever calls, and its echo from whoever is called.

use std::sync::Arc;

use crate::{App, Callbacks, EventName, Playback};

/// A tone of 1004 Hz without a pause: telephony's test tone.
pub const MILLIWATT: &str = "tone_stream://%(251,0,1004)";

/// Answers calls from outside that are parked, and echoes what they say; plays [`MILLIWATT`] without end on legs that this
/// server calls, once they are answered. A call from a server to itself, or to another one with this app, has sound in both
/// directions so.
///
/// The app has to get both legs: it is loaded under the id that the call is originated for, which travels in a SIP header
/// to its far leg.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TonePlay;

impl App for TonePlay {
    fn callbacks(self: &Arc<Self>, on: &mut Callbacks) {
        on.handler(EventName::ChannelPark, |_, session| async move {
            if session.is_inbound() {
                session.answer().await?;
            }
            Ok(())
        });
        on.handler(EventName::ChannelAnswer, |_, session| async move {
            if session.is_inbound() {
                session.echo().await?;
            } else if session.is_outbound() {
                // The stream has no end by itself; what is endless besides is done as soon as it plays.
                session.playback(Playback::new(MILLIWATT).param("loops", "-1").endless()).await?;
            }
            Ok(())
        });
    }
}

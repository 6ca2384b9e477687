//! A tone for whoever calls, and its echo from whoever is called.

use std::sync::Arc;

use crate::{App, Callbacks, Error, EventName, Playback, Session};

/// A tone of 1004 Hz without a pause: telephony's test tone.
pub const MILLIWATT: &str = "tone_stream://%(251,0,1004)";

/// Where a session says that it was parked; its events may not be kept.
const PARKED: &str = "tone_play.parked";

/// Where a session says that it has its tone.
const PLAYS: &str = "tone_play.plays";

/// Answers calls from outside that are parked, and echoes what they say; plays [`MILLIWATT`] without end on legs that this
/// server calls, once they are answered and parked. A call from a server to itself, or to another one with this app, has
/// sound in both directions so.
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
                return Ok(());
            }
            session.vars(|vars| vars.insert(PARKED.to_owned(), "true".to_owned()));
            play(&session).await
        });
        on.handler(EventName::ChannelAnswer, |_, session| async move {
            if session.is_inbound() {
                session.echo().await?;
                return Ok(());
            }
            play(&session).await
        });
    }
}

/// An answer alone is too soon: until the leg's own application has begun, whatever else it runs is broken off by that.
async fn play(session: &Session) -> Result<(), Error> {
    let is_up = session.is_outbound() && session.answered() && session.vars(|vars| vars.contains_key(PARKED));
    if is_up && session.vars(|vars| vars.insert(PLAYS.to_owned(), "true".to_owned())).is_none() {
        // The stream has no end by itself; what is endless besides is done as soon as it plays.
        session.playback(Playback::new(MILLIWATT).param("loops", "-1").endless()).await?;
    }
    Ok(())
}

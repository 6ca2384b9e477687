//! Ready-made call applications.

mod bridger;
mod proxier;
mod tone_play;

use std::sync::Arc;

pub use self::bridger::Bridger;
pub use self::proxier::Proxier;
pub use self::tone_play::{MILLIWATT, TonePlay};
use crate::{App, BoxError, Callbacks, Context};

/// One application for several clients: it knows what each of them gets. [`AppSet::get`](crate::AppSet::get) finds it as
/// `Arc<A>`.
impl<A: App> App for Arc<A> {
    fn name(&self) -> String {
        (**self).name()
    }

    fn callbacks(self: &Arc<Self>, on: &mut Callbacks) {
        (**self).callbacks(on);
    }

    fn set_up(&self, context: &Context) -> impl Future<Output = Result<(), BoxError>> + Send {
        (**self).set_up(context)
    }

    fn tear_down(&self, context: &Context) -> impl Future<Output = ()> + Send {
        (**self).tear_down(context)
    }
}

//! Events: their kinds, who subscribed to them, how they are written and numbered.

mod bus;
mod filter;
mod kind;
mod render;
mod space;
mod subscription;

pub(crate) use bus::{Bus, IPV4, IPV6, Identity, ListenerId, Origin, Output, Reserved};
pub(crate) use kind::EventKind;
pub(crate) use render::{EventWriter, Format, LIST, LIST_SEPARATOR};
pub(crate) use space::Space;
pub(crate) use subscription::{Allowed, Mine, Subscription};

//! Values that configuration files have: times, numbers and random delays, with the messages for those that are invalid.
//!
//! The load generator and the simulator share these types, but no limits: each passes its own.

pub mod delay;
pub mod value;

pub use delay::Delay;
pub use value::{Count, Number, Time};

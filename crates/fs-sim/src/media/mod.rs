//! What is known of audio where there is none: how long a file plays, and how well packets arrive.

mod length;
mod quality;
mod statistics;

pub(crate) use length::{Length, length};
pub(crate) use quality::{Line, check};
pub use quality::{Quality, Toward};
pub(crate) use statistics::{Inbound, Stream};

//! `Originate` against FreeSWITCH's own way of reading: a model of it everywhere, a server where
//! `FREESWITCH_ESL=host:port:password` is set.

#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

mod fact_30;
mod freeswitch;
mod parser;
mod round_trip;

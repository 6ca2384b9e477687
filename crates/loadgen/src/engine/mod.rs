//! Places the calls and follows each of them to its end.

pub mod call;
pub mod dispatcher;
pub mod precise_timer;
pub mod script_run;
pub mod slave;

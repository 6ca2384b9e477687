//! The switch without sockets and without a clock, for benchmarks: no part of the interface.

use std::time::Duration;

use crate::{
    Config,
    clock::Stamp,
    command::Command,
    event::{EventKind, ListenerId, Origin, Output},
    switch::Switch,
};

const ME: ListenerId = ListenerId(1);

/// What a load test subscribes to.
const SUBSCRIPTION: &str = "CHANNEL_CREATE CHANNEL_PROGRESS CHANNEL_PROGRESS_MEDIA CHANNEL_ANSWER CHANNEL_HANGUP \
                            CHANNEL_DESTROY BACKGROUND_JOB HEARTBEAT CUSTOM load::probe";

/// A switch that one client talks to, logged in and subscribed.
#[derive(Debug)]
pub struct Bench {
    switch: Switch,
    now: Duration,
    calls: u64,
}

impl Bench {
    /// Events come in `format`: `plain`, `json` or `xml`.
    #[must_use]
    pub fn new(format: &str) -> Bench {
        let config = Config { max_sessions: u32::MAX, sessions_per_second: u32::MAX, ..Config::default() };
        // The callee is the default one, which is possible.
        let Ok(mut switch) = Switch::new(&config, None, Stamp(1_795_393_566_000_000)) else { unreachable!() };
        switch.connect(Duration::ZERO, ME);
        let mut bench = Bench { switch, now: Duration::ZERO, calls: 0 };
        bench.say("auth ClueCon");
        bench.say(&format!("event {format} {SUBSCRIPTION}"));
        bench
    }

    /// Says a command; returns how many bytes are sent because of it.
    pub fn say(&mut self, line: &str) -> usize {
        self.switch.command(self.now, ME, &Command { line: line.to_owned(), ..Command::default() });
        self.sent()
    }

    /// Lets time pass; returns how many bytes are sent meanwhile.
    pub fn pass(&mut self, time: Duration) -> usize {
        /// What a server hands out in one go.
        const PIECE: usize = 1_000;
        self.now += time;
        let mut bytes = 0;
        while !self.switch.advance_until(self.now, PIECE) {
            bytes += self.sent();
        }
        bytes + self.sent()
    }

    /// Places a call to `9196` over SIP, as a load test does; returns its UUID.
    pub fn originate(&mut self) -> String {
        self.calls += 1;
        let uuid = format!("aaaaaaaa-0000-4000-8000-{:012x}", self.calls);
        self.say(&format!(
            "api bgapi uuid:{uuid} originate {{origination_uuid={uuid},ignore_early_media=true,originate_timeout=30,\
             execute_on_answer='sched_hangup +60 ALLOTTED_TIMEOUT',load_run=0123456789ab,sip_h_X-load-call={uuid}}}\
             sofia/external/9196@127.0.0.1:5080 &park()"
        ));
        uuid
    }

    /// One call from its originate to the end of both its legs; returns the bytes that were sent.
    pub fn call(&mut self) -> usize {
        let uuid = self.originate();
        let mut bytes = self.pass(Duration::from_millis(10));
        bytes += self.say(&format!("api uuid_kill {uuid}"));
        bytes + self.pass(Duration::from_millis(50))
    }

    /// Sends one more CHANNEL_ANSWER of the first channel; returns its size.
    pub fn answer(&mut self) -> usize {
        if let Some(id) = self.switch.channels.keys().next().copied() {
            let origin = Origin("switch_channel.c", "switch_channel_perform_mark_answered", 3846);
            self.switch.emit(self.now, id, EventKind::CHANNEL_ANSWER, origin);
        }
        self.sent()
    }

    /// Channels that are up.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.switch.channels.len()
    }

    fn sent(&mut self) -> usize {
        self.switch
            .drain()
            .map(|output| match output {
                Output::Event(_, bytes) | Output::Reply(_, bytes) => bytes.len(),
                _ => 0,
            })
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_its_events_and_ends() {
        let mut bench = Bench::new("plain");
        assert!(bench.call() > 30_000);
        assert_eq!(bench.channels(), 0);
        bench.originate();
        bench.pass(Duration::from_millis(10));
        assert_eq!(bench.channels(), 2);
        assert!(bench.answer() > 4_000);
    }
}

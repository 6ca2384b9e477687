//! The load of a FreeSWITCH server, as its HEARTBEAT events and its `status` command report it.

use esl_core::Event;

/// The load of a FreeSWITCH server, as far as it reported it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ServerHealth {
    /// Sessions at the moment.
    pub sessions: Option<u64>,
    /// The limit on sessions.
    pub sessions_max: Option<u64>,
    /// The limit on new sessions a second.
    pub sessions_per_second_max: Option<u64>,
    /// Sessions since its start.
    pub sessions_since_startup: Option<u64>,
    /// The idle share of its processors' time, 0 to 1.
    pub idle_cpu: Option<f64>,
}

impl ServerHealth {
    /// Reads the output of `status` (`mod_commands`).
    pub fn of_status(text: &str) -> Self {
        let mut health = Self::default();
        for line in text.lines() {
            let number = line.split_whitespace().next().and_then(|word| word.parse().ok());
            if line.contains("session(s) since startup") {
                health.sessions_since_startup = number;
            } else if line.contains("session(s) - peak") {
                health.sessions = number;
            } else if let Some((_, rest)) = line.split_once("per Sec out of max ") {
                health.sessions_per_second_max = rest.split(',').next().and_then(|word| word.parse().ok());
            } else if line.contains("session(s) max") {
                health.sessions_max = number;
            } else if let Some((_, idle)) = line.split_once("idle cpu ").and_then(|(_, rest)| rest.split_once('/')) {
                health.idle_cpu = idle.trim().parse::<f64>().ok().map(|percent| percent / 100.0);
            }
        }
        health
    }

    /// Reads a HEARTBEAT event, which FreeSWITCH sends every 20 s.
    pub fn of_heartbeat(event: &Event) -> Self {
        let number = |name| event.get(name).and_then(|value| value.parse().ok());
        let idle = event.get("Idle-CPU").and_then(|value| value.parse::<f64>().ok());
        Self {
            sessions: number("Session-Count"),
            sessions_max: number("Max-Sessions"),
            sessions_per_second_max: number("Session-Per-Sec"),
            sessions_since_startup: number("Session-Since-Startup"),
            idle_cpu: idle.map(|percent| percent / 100.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_output_gives_the_health() {
        let text = "UP 0 years, 0 days, 0 hours, 6 minutes, 43 seconds, 642 milliseconds, 7 microseconds\n\
            FreeSWITCH (Version 1.10.12-release git cc93a68 2026-08-21 14:10:14Z 64bit) is ready\n\
            31706 session(s) since startup\n2 session(s) - peak 742, last 5min 0 \n\
            1 session(s) per Sec out of max 10000, peak 9978, last 5min 0 \n1000 session(s) max\n\
            min idle cpu 0.00/99.33\nCurrent Stack Size/Max 240K/8192K\n";
        let health = ServerHealth::of_status(text);
        assert_eq!(health.sessions_since_startup, Some(31706));
        assert_eq!(health.sessions, Some(2));
        assert_eq!(health.sessions_per_second_max, Some(10000));
        assert_eq!(health.sessions_max, Some(1000));
        assert!((health.idle_cpu.unwrap() - 0.9933).abs() < 1e-9);
    }
}

use super::super::tests::plan;
use super::super::{SessionLoad, need};
use super::*;
use crate::measure::ServerHealth;

async fn probed(to: &str, parked: bool) -> (Vec<Finding>, fs_sim::Server) {
    let config = fs_sim::Config { max_sessions: 1000, sessions_per_second: 1000, ..fs_sim::Config::default() };
    let server = fs_sim::Server::start(config).await.unwrap();
    let credentials = esl_core::Credentials::password("ClueCon");
    let place = Server { address: server.addr().to_string(), credentials };
    let mut needs = need::needs(&plan("[load]\nrate = 1\n", to, 1));
    needs[0].probe = true;
    needs[0].targets[0].parked = parked;
    let facts = Facts {
        name: "a".into(),
        address: place.address.clone(),
        version: None,
        uptime: None,
        health: ServerHealth::default(),
        load: SessionLoad::default(),
        round_trips: Vec::new(),
        event_delays: Vec::new(),
        sps_wanted: None,
        max_sessions_wanted: None,
        reached: true,
    };
    let findings = probe(&needs, &[place], &[facts]).await;
    (findings, server)
}

#[tokio::test]
async fn a_probe_call_says_what_becomes_of_its_far_leg() {
    let itself = "127.0.0.1:5080";
    for (to, parked, severity, words) in [
        (format!("sofia/external/9196@{itself}"), false, None, ""),
        (format!("sofia/external/ring300@{itself}"), false, None, ""),
        ("null/x".to_owned(), false, None, ""),
        ("sofia/external/x@127.0.0.1:5090".to_owned(), true, None, ""),
        (format!("sofia/external/486@{itself}"), false, Some(Severity::Warning), "failed: USER_BUSY"),
        (format!("sofia/external/486@{itself}"), true, Some(Severity::Error), "failed: USER_BUSY"),
        (format!("sofia/nope/486@{itself}"), false, Some(Severity::Warning), "failed: "),
        (format!("sofia/external/9196@{itself}"), true, Some(Severity::Error), "is answered by the dialplan"),
        (format!("sofia/external/noanswer@{itself}"), true, Some(Severity::Error), "is not parked by the dialplan"),
        ("null/x".to_owned(), true, Some(Severity::Error), "reached no slave"),
    ] {
        let (findings, server) = probed(&to, parked).await;
        match severity {
            None => assert_eq!(findings, [], "{to}"),
            Some(severity) => {
                assert_eq!((findings.len(), findings[0].severity), (1, severity), "{to}: {findings:?}");
                assert!(findings[0].what.contains(words), "{to}: {findings:?}");
            }
        }
        let gone = server.wait_for(std::time::Duration::from_secs(20), |state| state.channels == 0).await;
        assert!(gone.is_ok(), "{to}: nothing is left: {gone:?}");
        assert_eq!(server.state().originates, 1, "{to}");
    }
}

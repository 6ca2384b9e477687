use super::*;
use crate::preflight;
use crate::preflight::tests::{plan, server_of};

async fn server(sps: u32, max_sessions: u32) -> fs_sim::Server {
    let config = fs_sim::Config { sessions_per_second: sps, max_sessions, ..fs_sim::Config::default() };
    fs_sim::Server::start(config).await.unwrap()
}

async fn query(server: &fs_sim::Server, command: &str) -> String {
    QueryConnection::connect(&server_of(server)).await.unwrap().query(command).await.unwrap()
}

const LOAD: &str = "[run]\nraise_limits = true\n[load]\nrate = 100\n";

/// Raises what 100 calls/s of 10 s to themselves need: 200 sessions/s, 2000 sessions.
async fn raise(servers: &[Server], folder: &Path) -> (Limits, Preflight) {
    let plan = plan(LOAD, "sofia/external/9196@127.0.0.1:5080", servers.len());
    let preflight = preflight::preflight(&plan, servers).await;
    assert!(!preflight.has_errors(), "{:?}", preflight.findings);
    (Limits::raise(&preflight, servers, folder).await.unwrap(), preflight)
}

#[tokio::test]
async fn limits_are_raised_where_they_are_too_low_and_put_back() {
    let (low, high) = (server(30, 1000).await, server(10_000, 1000).await);
    let servers = [server_of(&low), server_of(&high)];
    let folder = tempfile::tempdir().unwrap();
    let (limits, _) = raise(&servers, folder.path()).await;
    // Of 200 calls/s each has a half.
    assert_eq!(query(&low, "fsctl sps").await, "+OK sessions per second: 203");
    assert_eq!(query(&low, "fsctl max_sessions").await, "+OK max sessions: 1553");
    assert_eq!(query(&high, "fsctl sps").await, "+OK sessions per second: 10000", "high enough");
    let written = std::fs::read_to_string(folder.path().join(RAISED_FILE)).unwrap();
    assert!(written.contains("\"limit\": \"sps\",\n      \"from\": 30,\n      \"to\": 203"), "{written}");
    assert!(!written.contains("ClueCon"), "no password is written");

    assert_eq!(limits.put_back().await, Vec::<String>::new());
    assert_eq!(query(&low, "fsctl sps").await, "+OK sessions per second: 30");
    assert_eq!(query(&low, "fsctl max_sessions").await, "+OK max sessions: 1000");
    assert_eq!(query(&high, "fsctl max_sessions").await, "+OK max sessions: 1000");
    assert!(!folder.path().join(RAISED_FILE).exists());
}

#[tokio::test]
async fn limit_changed_by_another_party_is_not_restored() {
    let server = server(30, 100_000).await;
    let folder = tempfile::tempdir().unwrap();
    let (limits, _) = raise(&[server_of(&server)], folder.path()).await;
    query(&server, "fsctl sps 77").await;
    assert_eq!(limits.put_back().await, Vec::<String>::new());
    assert_eq!(query(&server, "fsctl sps").await, "+OK sessions per second: 77");
}

#[tokio::test]
async fn a_killed_run_s_limits_are_put_back_to_what_they_were_before_it() {
    let server = server(30, 100_000).await;
    let folder = tempfile::tempdir().unwrap();
    let (killed, _) = raise(&[server_of(&server)], folder.path()).await;
    drop(killed);
    // A run that needs more, in the same folder.
    let load = "[run]\nraise_limits = true\n[load]\nrate = 1000\n";
    let plan = plan(load, "sofia/external/9196@127.0.0.1:5080", 1);
    let servers = [server_of(&server)];
    let preflight = preflight::preflight(&plan, &servers).await;
    let limits = Limits::raise(&preflight, &servers, folder.path()).await.unwrap();
    assert_ne!(query(&server, "fsctl sps").await, "+OK sessions per second: 30");
    assert_eq!(limits.put_back().await, Vec::<String>::new());
    assert_eq!(query(&server, "fsctl sps").await, "+OK sessions per second: 30");
}

#[tokio::test]
async fn what_a_killed_run_raised_elsewhere_stays_written_down() {
    let (one, other) = (server(30, 100_000).await, server(30, 100_000).await);
    let folder = tempfile::tempdir().unwrap();
    let (killed, _) = raise(&[server_of(&one)], folder.path()).await;
    drop(killed);
    // A run on another server, in the same folder.
    let (limits, _) = raise(&[server_of(&other)], folder.path()).await;
    let failures = limits.put_back().await;
    assert!(
        failures.len() == 1
            && failures[0].contains("no credentials for this server: set \"password\" or \"password_file\""),
        "{failures:?}"
    );
    assert_eq!(query(&other, "fsctl sps").await, "+OK sessions per second: 30");
    assert_eq!(put_back(folder.path(), &[server_of(&one)]).await.unwrap(), Vec::<String>::new());
    assert_eq!(query(&one, "fsctl sps").await, "+OK sessions per second: 30");
}

#[tokio::test]
async fn what_cannot_be_put_back_stays_written_down() {
    let server = server(30, 100_000).await;
    let folder = tempfile::tempdir().unwrap();
    let servers = [server_of(&server)];
    let (limits, _) = raise(&servers, folder.path()).await;
    let address = server.addr();
    server.stop().await;
    let failures = limits.put_back().await;
    assert!(failures[0].contains("\"fsctl sps 30\" was not restored: cannot connect to"), "{failures:?}");
    assert!(folder.path().join(RAISED_FILE).exists());
    // The server is back with its raised limit: it only could not be reached.
    let config = fs_sim::Config {
        listen: address,
        sessions_per_second: 353,
        max_sessions: 100_000,
        ..fs_sim::Config::default()
    };
    let back = fs_sim::Server::start(config).await.unwrap();
    assert_eq!(put_back(folder.path(), &servers).await.unwrap(), Vec::<String>::new());
    assert_eq!(query(&back, "fsctl sps").await, "+OK sessions per second: 30");
    assert!(!folder.path().join(RAISED_FILE).exists());
    assert_eq!(put_back(folder.path(), &servers).await.unwrap(), Vec::<String>::new(), "nothing is left to do");
}

#[tokio::test]
async fn raised_limits_are_known_by_slave() {
    let server = server(30, 100_000).await;
    let folder = tempfile::tempdir().unwrap();
    let (limits, _) = raise(&[server_of(&server)], folder.path()).await;
    let [raised] = &limits.of_slave(0)[..] else { panic!("{:?}", limits.of_slave(0)) };
    assert_eq!((raised.limit, raised.from, raised.to), (ServerLimit::Sps, 30, 353));
    assert_eq!(limits.of_slave(1), []);
    limits.put_back().await;
}

#[test]
fn what_a_server_says_of_a_limit_is_read() {
    assert_eq!(number("+OK sessions per second: 30"), Some(30));
    assert_eq!(number("+OK max sessions: -5"), Some(u64::MAX), "one that never refuses");
    assert_eq!(number("-ERR permission denied"), None);
    assert_eq!(number("+OK"), None);
}

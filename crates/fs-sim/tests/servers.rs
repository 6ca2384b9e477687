//! Several servers on one network, as a test of a system between them uses them.

use std::time::Duration;

use fs_sim::{Config, Servers};
use tokio::{io::AsyncWriteExt, net::TcpStream};

const PATIENCE: Duration = Duration::from_secs(20);

async fn say(servers: &Servers, number: usize, line: &str) -> TcpStream {
    let mut stream = TcpStream::connect(servers[number].addr()).await.expect("a connection");
    stream.write_all(format!("auth ClueCon\n\n{line}\n\n").as_bytes()).await.expect("sent");
    stream
}

#[tokio::test]
async fn servers_call_each_other_by_name_and_by_address() {
    let servers = Servers::start(3).await.expect("servers");
    assert_eq!(servers.iter().map(|server| server.name()).collect::<Vec<_>>(), ["fs1", "fs2", "fs3"]);
    let by_address = format!("api bgapi originate sofia/external/9196@{} &park()", servers[2].sip_addr());
    let _first = say(&servers, 0, "api bgapi originate sofia/external/9196@fs2:5080 &park()").await;
    let _second = say(&servers, 1, &by_address).await;
    let spread = |states: &[fs_sim::State]| states.iter().map(|state| state.channels).collect::<Vec<_>>() == [1, 2, 1];
    servers.wait_for(PATIENCE, spread).await.expect("a leg, two legs, a leg");
    let _third = say(&servers, 1, "api hupall").await;
    servers.wait_for(PATIENCE, |states| states.iter().all(|state| state.channels == 0)).await.expect("all over");
    servers.stop().await;
}

#[tokio::test]
async fn servers_that_are_stopped_are_gone() {
    let servers = Servers::start(2).await.expect("servers");
    let addresses: Vec<_> = servers.iter().map(|server| server.addr()).collect();
    servers.stop().await;
    for address in addresses {
        assert!(TcpStream::connect(address).await.is_err(), "{address}");
    }
}

#[tokio::test]
async fn a_condition_that_does_not_come_about_gives_the_last_states() {
    let servers = Servers::start(2).await.expect("servers");
    let last = servers.wait_for(Duration::ZERO, |states| states[0].channels == 1).await.expect_err("no call");
    assert_eq!(last.len(), 2);
}

#[tokio::test]
async fn two_servers_of_one_name_do_not_start() {
    let error = Servers::start_each([Config::default(), Config::default()]).await.expect_err("one name");
    assert!(error.to_string().contains("fs1"), "{error}");
}

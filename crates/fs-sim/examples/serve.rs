//! Serves one simulated FreeSWITCH until it is interrupted: `serve HOST:PORT [max sessions] [sessions a second]`.

use std::{env, error::Error};

use fs_sim::{Config, Server};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let mut config = Config { listen: arguments.next().ok_or("HOST:PORT is missing")?.parse()?, ..Config::default() };
    if let Some(sessions) = arguments.next() {
        config.max_sessions = sessions.parse()?;
    }
    if let Some(rate) = arguments.next() {
        config.sessions_per_second = rate.parse()?;
    }
    let server = Server::start(config).await?;
    tokio::signal::ctrl_c().await?;
    server.stop().await;
    Ok(())
}

//! It is stopped and upgraded while people log in, and nobody notices.

mod drain;
mod judged;
mod upgrade;

use crate::harness::database;
use crate::harness::redis::RedisServer;
use crate::storm::site::Site;

/// A site on a database and a Redis that nobody else uses.
async fn site() -> (Site, RedisServer) {
    let redis = RedisServer::start().await;
    (Site::new(&database::create().await, &redis.url()), redis)
}

//! It is stopped and upgraded while people log in, and nobody notices.

mod drain;
mod judged;
mod upgrade;

use crate::harness::database;
use crate::storm::site::Site;

/// A site on the shared servers.
async fn site() -> Site {
    Site::new(&database::create().await, &database::redis_url().await)
}

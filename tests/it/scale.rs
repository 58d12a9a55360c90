//! Several replicas of the service on one database and one Redis. `TEST_REPLICAS` has the tests of every call do the
//! same; these are about what only several can get wrong.

mod background;
mod callers;
mod clocks;
mod keys;
mod limits;
mod own_writes;

use crate::harness::Harness;
use crate::harness::clients::Clients;

/// Runs a test, a function that takes a [`Harness`], with two replicas and with four.
macro_rules! with_replicas {
    ($($test:ident),* $(,)?) => {$(
        mod $test {
            use $crate::harness::Setup;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn two() {
                super::$test(Setup::postgres().await.replicas(2).start().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn four() {
                super::$test(Setup::postgres().await.replicas(4).start().await).await;
            }
        }
    )*};
}
use with_replicas;

/// Every two replicas, in both orders.
fn pairs(t: &Harness) -> Vec<(Clients, Clients)> {
    let each = t.each();
    let mut pairs = Vec::new();
    for (number, here) in each.iter().enumerate() {
        let others = each.iter().enumerate().filter(|(other, _)| *other != number);
        pairs.extend(others.map(|(_, there)| (here.clone(), there.clone())));
    }
    pairs
}

//! Who gets in: every row of the table of admission through the public API; the same rules once more in
//! plain words; and every way around them that this field has known, each as a test that names it.

mod answers;
mod bypasses;
mod cases;
mod factors;
mod plain;
mod product;
mod rows;
mod settings;
mod shown;
mod world;

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How much goes on at the same time: enough to keep the machine busy, too little to wait for the store.
const AT_ONCE: usize = 8;

/// Does the work for each item, several at a time. The results are in the order of the items.
async fn in_parallel<I, T, F>(items: Vec<I>, work: impl Fn(I) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for (position, item) in items.into_iter().enumerate() {
        let (work, turns) = (work(item), Arc::clone(&turns));
        running.spawn(async move {
            let _turn = turns.acquire_owned().await.unwrap();
            (position, work.await)
        });
    }
    let mut done = running.join_all().await;
    done.sort_by_key(|(position, _)| *position);
    done.into_iter().map(|(_, result)| result).collect()
}

//! A reader of events misses none, though transactions commit in another order than they write.

use sea_orm::{ConnectionTrait as _, DatabaseConnection, TransactionTrait as _};
use tokio::task::JoinSet;

use crate::faults::until;
use crate::harness::Harness;
use crate::harness::database::rows;
use crate::harness::fixtures::{creation, organization};

/// A reader with its place.
#[derive(Debug)]
struct Reader {
    connection: DatabaseConnection,
    place: (String, i64),
    /// The types of the events it has seen, with their organizations.
    seen: Vec<(String, uuid::Uuid)>,
}

impl Reader {
    async fn start(t: &Harness) -> Self {
        Self { connection: t.database().await, place: ("0".to_owned(), 0), seen: Vec::new() }
    }

    /// Reads on, up to the oldest transaction that may still commit.
    async fn read(&mut self) {
        let sql = "SELECT transaction_id::text AS transaction_id, position, type, organization_id FROM events \
                   WHERE (transaction_id, position) > ($1::xid8, $2) \
                   AND transaction_id < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY events.transaction_id, position";
        let (transaction, position) = self.place.clone();
        for row in rows(&self.connection, sql, vec![transaction.into(), position.into()]).await {
            self.place = (row.try_get("", "transaction_id").unwrap(), row.try_get("", "position").unwrap());
            self.seen.push((row.try_get("", "type").unwrap(), row.try_get("", "organization_id").unwrap()));
        }
    }

    /// Reads on until it has seen so many. Other databases of the server hold it up too.
    async fn read_until(&mut self, count: usize) {
        until(format!("{count} events"), async || {
            self.read().await;
            self.seen.len() >= count
        })
        .await;
    }

    fn types(&self) -> Vec<&str> {
        self.seen.iter().map(|(event_type, _)| event_type.as_str()).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_commit_is_not_skipped() {
    let t = Harness::postgres().await;
    let clients = t.clients();
    let mut reader = Reader::start(&t).await;
    clients.create(organization("Before")).await.unwrap();
    reader.read_until(1).await;

    let late = t.database().await;
    let transaction = late.begin().await.unwrap();
    let event = "INSERT INTO events (id, type, organization_id, caller, request_id, data, created_at) \
                 VALUES (gen_random_uuid(), 'late', gen_random_uuid(), 'test', 'test', '{}', now())";
    transaction.execute_unprepared(event).await.unwrap();
    clients.create(organization("After one")).await.unwrap();
    clients.create(organization("After two")).await.unwrap();
    assert_eq!(t.count("events").await, 3, "the later ones are committed");
    reader.read().await;
    assert_eq!(reader.seen.len(), 1, "what may still be overtaken is not read");

    transaction.commit().await.unwrap();
    reader.read_until(4).await;
    let created = "organization.created";
    assert_eq!(reader.types(), [created, "late", created, created]);
    reader.read().await;
    assert_eq!(reader.seen.len(), 4, "nothing twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_is_rolled_back_holds_up_nobody() {
    let t = Harness::postgres().await;
    let mut reader = Reader::start(&t).await;
    let gone = t.database().await;
    let transaction = gone.begin().await.unwrap();
    transaction.execute_unprepared("SELECT pg_current_xact_id()").await.unwrap();
    t.clients().create(organization("Acme")).await.unwrap();
    reader.read().await;
    assert_eq!(reader.seen.len(), 0);
    transaction.rollback().await.unwrap();
    reader.read_until(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_beside_many_writers_sees_everything_once_and_in_order() {
    let t = Harness::postgres().await;
    let mut writers = JoinSet::new();
    for number in 0..30 {
        let clients = t.clients();
        writers.spawn(async move {
            let token = clients.token(&format!("ada@company-{number}.com")).await;
            clients.spend(creation(&token)).await.unwrap();
        });
    }
    let mut reader = Reader::start(&t).await;
    reader.read_until(90).await;
    writers.join_all().await;
    reader.read().await;
    let written = rows(
        &reader.connection,
        "SELECT type, organization_id FROM events ORDER BY transaction_id, position",
        vec![],
    )
    .await;
    let written: Vec<(String, uuid::Uuid)> = written
        .into_iter()
        .map(|row| (row.try_get("", "type").unwrap(), row.try_get("", "organization_id").unwrap()))
        .collect();
    assert_eq!(reader.seen, written);
    assert_eq!(written.len(), 90);
    for creation in written.chunks(3) {
        let types: Vec<_> = creation.iter().map(|(event_type, _)| event_type.as_str()).collect();
        assert_eq!(types, ["organization.created", "member.created", "session.created"]);
        assert!(creation.iter().all(|(_, organization)| *organization == creation[0].1), "{creation:?}");
    }
}

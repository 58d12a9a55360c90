//! The database fails at each thing that an exchange writes, before and after it, and while it commits.

use std::time::Duration;

use super::super::keeper::{claimed, end_lease};
use super::super::{not_found, staged, unavailable, until, works};
use super::{Way, and_one, lives, session, traces};
use crate::harness::Harness;
use crate::harness::clients::Clients;
use crate::harness::fixtures::creation;
use crate::harness::refusal::refused;
use tonic::Code;
use vestibule::pb;

/// What is written, in no order.
const TABLES: [&str; 6] = [
    "idempotency_records",
    "intermediate_session_receipts",
    "members",
    "member_email_addresses",
    "sessions",
    "events",
];

/// How the database fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The statement fails: the disk is full.
    Full,
    /// Another transaction is in the way.
    Deadlock,
    /// The connection ends.
    Death,
}

impl Fault {
    const ALL: [Self; 3] = [Self::Full, Self::Deadlock, Self::Death];

    fn statement(self) -> &'static str {
        match self {
            Self::Full => "RAISE EXCEPTION 'no room' USING ERRCODE = '53100'",
            Self::Deadlock => "RAISE EXCEPTION 'in the way' USING ERRCODE = '40P01'",
            Self::Death => "PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(10)",
        }
    }
}

/// Lets everything fail that comes to this moment, until it is mended.
async fn fail(t: &Harness, table: &str, timing: &str, fault: Fault) {
    let (constraint, deferred) = match timing {
        "COMMIT" => ("CONSTRAINT", "DEFERRABLE INITIALLY DEFERRED"),
        _ => ("", ""),
    };
    let timing = if timing == "COMMIT" { "AFTER" } else { timing };
    t.execute(&format!(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {}; RETURN NEW; END $$; \
         CREATE {constraint} TRIGGER fail {timing} INSERT OR UPDATE ON {table} {deferred} FOR EACH ROW \
         EXECUTE FUNCTION fail()",
        fault.statement()
    ))
    .await;
}

async fn mend(t: &Harness) {
    t.execute("DROP FUNCTION fail() CASCADE").await;
}

/// Somebody joins, so that everything is written that an exchange can write.
async fn open(clients: &Clients) -> String {
    let token = clients.token("founder@acme.com").await;
    let request = pb::DiscoveryServiceCreateOrganizationRequest {
        email_allowed_domains: vec!["acme.com".to_owned()],
        email_jit_provisioning: Some(pb::EmailJitProvisioning::Restricted.into()),
        ..creation(&token)
    };
    clients.spend(request).await.unwrap().into_inner().organization.unwrap().organization_id
}

async fn everything(t: &Harness) -> [i64; 4] {
    let mut counts = [0; 4];
    let tables = ["idempotency_records", "intermediate_session_receipts", "members", "events"];
    for (count, table) in counts.iter_mut().zip(tables) {
        *count = t.count(table).await;
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_step_of_an_exchange_fails() {
    let t = staged().await;
    let clients = t.clients();
    let organization = open(&clients).await;
    let mut person = 0;
    for table in TABLES {
        for timing in ["BEFORE", "AFTER"] {
            for fault in Fault::ALL {
                person += 1;
                let token = clients.token(&format!("person-{person}@acme.com")).await;
                let entrance = super::Entrance { token: token.clone(), organization: organization.clone() };
                let before = (everything(&t).await, traces(&t).await);
                fail(&t, table, timing, fault).await;
                let answer = entrance.again(&clients).await;
                if fault == Fault::Deadlock {
                    refused(answer, Code::Aborted, "CONCURRENT_REQUEST");
                } else {
                    unavailable(answer, Duration::ZERO);
                }
                mend(&t).await;
                assert!(!claimed(&t).await, "{table} {timing} {fault:?}: the token is free at once");
                assert_eq!((everything(&t).await, traces(&t).await), before, "{table} {timing} {fault:?}");
                let bought = session(entrance.again(&clients).await);
                assert_eq!(session(entrance.again(&clients).await), bought);
                not_found(entrance.enter(&clients).await);
                let [records, receipts, members, events] = before.0;
                assert_eq!(everything(&t).await, [records + 1, receipts + 1, members + 1, events + 2]);
            }
        }
    }
    works(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_step_of_a_finish_fails() {
    let t = staged().await;
    let clients = t.clients();
    for table in ["intermediate_session_receipts", "sessions", "events"] {
        for fault in Fault::ALL {
            let entrance = Way::Bound.prepare(&clients).await;
            let before = (everything(&t).await, traces(&t).await);
            fail(&t, table, "AFTER", fault).await;
            let answer = entrance.enter(&clients).await;
            if fault == Fault::Deadlock {
                refused(answer, Code::Aborted, "CONCURRENT_REQUEST");
            } else {
                unavailable(answer, Duration::ZERO);
            }
            mend(&t).await;
            assert!(!claimed(&t).await, "{table} {fault:?}: the token is free at once");
            assert_eq!((everything(&t).await, traces(&t).await), before, "{table} {fault:?}");
            lives(&clients, &session(entrance.enter(&clients).await)).await;
            assert_eq!(traces(&t).await, and_one(before.1));
        }
    }
    works(&t).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commit_fails() {
    let t = staged().await;
    let clients = t.clients();
    for way in Way::BOTH {
        for fault in Fault::ALL {
            let entrance = way.prepare(&clients).await;
            let before = (everything(&t).await, traces(&t).await);
            fail(&t, "intermediate_session_receipts", "COMMIT", fault).await;
            let answer = entrance.again(&clients).await;
            match fault {
                Fault::Full => drop(unavailable(answer, Duration::ZERO)),
                Fault::Deadlock => drop(refused(answer, Code::Aborted, "CONCURRENT_REQUEST")),
                // Nobody knows: the token stays claimed for the lease.
                Fault::Death => {
                    unavailable(answer, t.config.claim_lease);
                    assert!(claimed(&t).await);
                    super::in_use(entrance.enter(&clients).await);
                    end_lease(&t).await;
                }
            }
            mend(&t).await;
            assert!(fault == Fault::Death || !claimed(&t).await, "{way:?} {fault:?}: the token is free");
            assert_eq!((everything(&t).await, traces(&t).await), before, "{way:?} {fault:?}");
            lives(&clients, &session(entrance.again(&clients).await)).await;
            not_found(entrance.enter(&clients).await);
            assert_eq!(traces(&t).await, and_one(before.1));
        }
    }
    until("nothing to run", async || t.count("pg_stat_activity WHERE wait_event = 'PgSleep'").await == 0)
        .await;
    works(&t).await;
}

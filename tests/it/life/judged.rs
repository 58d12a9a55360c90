//! The judge of storms finds what is broken: each promise is broken once, in what was answered or in what stands.

use tonic::Code;

use super::site;
use crate::harness::refusal::Refusal;
use crate::storm::Storm;
use crate::storm::balanced::{Ending, Failure};
use crate::storm::judge::{Allowing, LOST};
use crate::storm::ledger::{End, Ledger, Life};
use sqlx::{Connection as _, PgConnection};

/// What a broken ledger is broken by, and the word that the judge has for it.
type Breach = (&'static str, fn(&mut Ledger));

/// A token whose login was heard more than once, with a key among them.
fn some(ledger: &mut Ledger) -> &mut Life {
    ledger.lives.iter_mut().rev().find(|life| life.logins().count() > 1 && life.raced()).unwrap()
}

fn not_found() -> Failure {
    let ending = Ending::Refused("NOT_FOUND".to_owned(), LOST[1].to_owned());
    Failure { ending, retry_after: None, unsure: false }
}

const BREACHES: [Breach; 8] = [
    ("S1: has bought more than once", |ledger| {
        let other = ledger.lives[0].spends[0].clone();
        some(ledger).spends.push(other);
    }),
    ("S3: what was acknowledged is not there", |ledger| {
        for spend in &mut some(ledger).spends {
            if let End::Bought(login, _) = &mut spend.end {
                login.session_token.replace_range(..1, "?");
            }
        }
    }),
    ("S6: what was bought with a key is not told", |ledger| {
        let life = some(ledger);
        life.spends.retain(|spend| spend.key.is_some());
        life.spends.iter_mut().for_each(|spend| spend.end = End::Failed(not_found()));
    }),
    ("S6: a repeat did not get the first answer", |ledger| {
        let life = some(ledger);
        let mut spend =
            life.spends.iter().find(|spend| spend.key.is_some() && matches!(spend.end, End::Bought(..)));
        let mut spend = spend.take().unwrap().clone();
        spend.end = End::Failed(not_found());
        (spend.began, spend.ended) = (spend.ended, spend.ended);
        life.spends.push(spend);
    }),
    ("S2: is gone, and has bought nothing", |ledger| {
        let life = Life { token: "nobody's".to_owned(), spends: Vec::new(), ..some(ledger).clone() };
        ledger.lives.push(life);
    }),
    ("S2, S4: nobody could spend it", |ledger| {
        let token = "nobody's".to_owned();
        let life = Life { token, spends: Vec::new(), settled: false, ..some(ledger).clone() };
        ledger.lives.push(life);
    }),
    ("S1: a receipt is of no token", |ledger| {
        ledger.lives.pop();
    }),
    ("tokens were raced for", |ledger| {
        ledger.lives.iter_mut().flat_map(|life| &mut life.spends).for_each(|spend| spend.ended = spend.began);
    }),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_judge_finds_what_is_broken() {
    let (site, _redis) = site().await;
    let program = site.program(&[]).await;
    let storm = Storm::over(&[program.grpc]).await;
    let ledger = storm.end().await;
    let faults =
        async |ledger: &Ledger| ledger.verdict(site.database_url(), Allowing::default()).await.faults;
    assert_eq!(faults(&ledger).await, Vec::<String>::new());
    for (word, breach) in BREACHES {
        let mut broken = ledger.clone();
        breach(&mut broken);
        let found = faults(&broken).await;
        assert!(found.iter().any(|fault| fault.contains(word)), "{word}: {found:?}");
    }

    // What stands. Each is put back.
    let mut connection = PgConnection::connect(site.database_url()).await.unwrap();
    let acknowledged = ledger.lives.iter().rev().find_map(|life| life.logins().next()).unwrap();
    let (_, uuid) = acknowledged.member_session_id.split_at(acknowledged.member_session_id.len() - 36);
    let one = format!("'{uuid}'::uuid");
    let stands = [
        ("S3: what was acknowledged is not there", format!("DELETE FROM sessions WHERE id = {one}")),
        ("has no receipt", format!("DELETE FROM intermediate_session_receipts WHERE session_id = {one}")),
        (
            "is of nothing",
            format!("UPDATE intermediate_session_receipts SET session_id = NULL WHERE session_id = {one}"),
        ),
    ];
    for (word, sql) in stands {
        let mut saved = PgConnection::connect(site.database_url()).await.unwrap();
        let tables = ["sessions", "intermediate_session_receipts"];
        for table in tables {
            let copy = format!("CREATE TABLE saved_{table} AS TABLE {table}");
            sqlx::raw_sql(sqlx::AssertSqlSafe(copy)).execute(&mut saved).await.unwrap();
        }
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        let found = faults(&ledger).await;
        assert!(found.iter().any(|fault| fault.contains(word)), "{word}: {found:?}");
        for table in tables {
            let back = format!(
                "DELETE FROM {table}; INSERT INTO {table} TABLE saved_{table}; DROP TABLE saved_{table}"
            );
            sqlx::raw_sql(sqlx::AssertSqlSafe(back)).execute(&mut saved).await.unwrap();
        }
    }
    assert_eq!(faults(&ledger).await, Vec::<String>::new());

    // A refusal that no spend has.
    let status = program.clients().await.get("organization-of-nobody").await.unwrap_err();
    assert_eq!(Refusal::of(&status).code, Code::NotFound);
    let unknown = ledger.clients.call(|clients| async move { clients.get("organization-of-nobody").await });
    assert!(unknown.await.is_err());
    let found = faults(&ledger).await;
    assert!(found.iter().any(|fault| fault.contains("ORGANIZATION_NOT_FOUND")), "{found:?}");
}

//! The callers file changes under all replicas.

use tonic::Code;
use vestibule::domain::permission::Permission::Admin;

use crate::faults::until;
use crate::harness::Setup;
use crate::harness::callers::Key;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_replica_takes_a_change_over_by_itself() {
    for number in [2, 4] {
        let [old, new, other] = ["ada", "ada", "bob"].map(|caller| Key::new(caller, &[Admin]));
        let setup = Setup::postgres().await.replicas(number);
        let t = setup.callers(&[&old.line, &other.line]).start().await;
        let codes = async |key: &Key| {
            let mut codes = Vec::new();
            for clients in t.each_with(&key.text) {
                codes.push(clients.get("nothing").await.unwrap_err().code());
            }
            codes
        };
        let (known, unknown) = (vec![Code::NotFound; number], vec![Code::Unauthenticated; number]);
        assert_eq!((codes(&old).await, codes(&new).await), (known.clone(), unknown.clone()));
        t.write_callers(&[&old.line, &new.line, &other.line]);
        until("the new key to be known everywhere", async || codes(&new).await == known).await;
        assert_eq!(codes(&old).await, known);
        t.write_callers(&[&new.line, &other.line]);
        until("the old key's end everywhere", async || codes(&old).await == unknown).await;
        assert_eq!((codes(&new).await, codes(&other).await), (known.clone(), known));
    }
}

use crate::harness::fixtures::organization;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(what_is_created_can_be_read);

async fn what_is_created_can_be_read(t: Harness) {
    let clients = t.clients();
    let created = clients.create(organization("Acme")).await.unwrap().into_inner().organization.unwrap();
    let read = clients.get(&created.organization_id).await.unwrap().into_inner().organization.unwrap();
    assert_eq!(read, created);
}

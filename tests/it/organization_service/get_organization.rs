use tonic::Code;
use vestibule::pb;

use crate::harness::fixtures::organization;
use crate::harness::refusal::refused;
use crate::harness::{Harness, on_both_backends};

on_both_backends!(
    an_organization_is_found_by_each_of_its_names,
    what_is_not_there_is_not_found,
    what_can_be_no_name_is_refused,
    reading_changes_nothing,
);

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

async fn acme(t: &Harness) -> pb::Organization {
    let request = pb::CreateOrganizationRequest {
        organization_slug: Some("Acme-Corp".to_owned()),
        organization_external_id: Some("Erp|1".to_owned()),
        ..organization("Acme")
    };
    t.clients().create(request).await.unwrap().into_inner().organization.unwrap()
}

async fn an_organization_is_found_by_each_of_its_names(t: Harness) {
    let acme = acme(&t).await;
    t.clients().create(organization("Another")).await.unwrap();
    for name in [&acme.organization_id, "Acme-Corp", "acme-corp", "ACME-CORP", "Erp|1"] {
        let answer = t.clients().get(name).await.unwrap();
        let header = answer.metadata().get("x-request-id").unwrap().to_str().unwrap().to_owned();
        let answer = answer.into_inner();
        assert_eq!(answer.organization, Some(acme.clone()), "{name}");
        assert_eq!(answer.request_id, header);
    }
}

async fn what_is_not_there_is_not_found(t: Harness) {
    let acme = acme(&t).await;
    let absent = refused(t.clients().get("absent").await, Code::NotFound, "ORGANIZATION_NOT_FOUND");
    let uuid = acme.organization_id.strip_prefix("organization-test-").unwrap();
    let names = [
        // External ids are found in their own case only.
        "erp|1".to_owned(),
        "ERP|1".to_owned(),
        "Acme".to_owned(),
        "acme-corp.".to_owned(),
        format!("organization-test-{ID}"),
        // Ids of other things are names like any other.
        format!("member-test-{uuid}"),
        uuid.to_owned(),
        format!("organization-prod-{uuid}"),
    ];
    for name in names {
        let refusal = refused(t.clients().get(&name).await, Code::NotFound, "ORGANIZATION_NOT_FOUND");
        assert_eq!((&refusal.message, &refusal.fields), (&absent.message, &absent.fields), "{name}");
        assert_eq!(refusal.metadata.len(), absent.metadata.len(), "{name}");
        assert_eq!(refusal.metadata["http_status"], "404");
    }
    t.execute("DELETE FROM organizations").await;
    for name in [&acme.organization_id, "Acme-Corp", "Erp|1"] {
        refused(t.clients().get(name).await, Code::NotFound, "ORGANIZATION_NOT_FOUND");
    }
}

async fn what_can_be_no_name_is_refused(t: Harness) {
    let acme = acme(&t).await;
    let uuid = acme.organization_id.strip_prefix("organization-test-").unwrap();
    let malformed = [
        String::new(),
        " ".to_owned(),
        format!(" {}", acme.organization_id),
        "acme corp".to_owned(),
        "acme\0".to_owned(),
        "äcme".to_owned(),
        "a".repeat(129),
        "a|b~c".to_owned(),
        format!("organization-test-{}", uuid.to_uppercase()),
        format!("organization-test-{}", uuid.replace('-', "")),
        format!("ORGANIZATION-TEST-{uuid}"),
        format!("Organization-live-{uuid}"),
    ];
    for name in malformed {
        let refusal = refused(t.clients().get(&name).await, Code::InvalidArgument, "INVALID_ORGANIZATION_ID");
        assert_eq!(refusal.violations(), [("organization_id", "INVALID_ORGANIZATION_ID")], "{name}");
    }
    let live = t.clients().get(&format!("organization-live-{uuid}")).await;
    let refusal = refused(live, Code::InvalidArgument, "LIVE_ID_USED_IN_TEST_ENVIRONMENT");
    assert_eq!(refusal.violations(), [("organization_id", "LIVE_ID_USED_IN_TEST_ENVIRONMENT")]);
}

async fn reading_changes_nothing(t: Harness) {
    let acme = acme(&t).await;
    t.clock.advance(std::time::Duration::from_hours(1));
    let read = t.clients().get("acme-corp").await.unwrap().into_inner().organization.unwrap();
    assert_eq!(read.updated_at, acme.created_at);
    assert_eq!(t.count("events").await, 1);
}

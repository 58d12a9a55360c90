use proptest::prelude::*;

use super::{Environment, IdError, OrganizationId};

proptest! {
    #[test]
    fn text_and_parse_are_inverse(uuid in any::<u128>()) {
        let id = OrganizationId::new(uuid::Uuid::from_u128(uuid));
        let text = id.text(Environment::Test);
        prop_assert_eq!(OrganizationId::parse(&text, Environment::Test), Ok(id));
        prop_assert_eq!(OrganizationId::parse(&text, Environment::Live), Err(IdError::OtherEnvironment));
    }

    #[test]
    fn parse_accepts_only_what_text_makes(text in "(organization|member)?-?(test|live|x)?-?[0-9a-fA-F-]{0,40}") {
        if let Ok(id) = OrganizationId::parse(&text, Environment::Test) {
            prop_assert_eq!(id.text(Environment::Test), text);
        }
    }
}

#[test]
fn other_spellings_of_a_uuid_are_refused() {
    for text in [
        "organization-test-01890A5D-AC96-774B-BCCE-B302099A8057",
        "organization-test-01890a5dac96774bbcceb302099a8057",
        "organization-test-{01890a5d-ac96-774b-bcce-b302099a8057}",
        "organization-01890a5d-ac96-774b-bcce-b302099a8057",
        "organization-prod-01890a5d-ac96-774b-bcce-b302099a8057",
        "member-test-01890a5d-ac96-774b-bcce-b302099a8057",
        "",
    ] {
        assert_eq!(OrganizationId::parse(text, Environment::Test), Err(IdError::Malformed), "{text}");
    }
}

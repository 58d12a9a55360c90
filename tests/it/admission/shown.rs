//! What the list and the explanation say of a world: the same as its door.

use vestibule::domain::admission::{Door, Entry, Rule, Standing, Verdict};
use vestibule::pb;

use super::answers::Owed;
use super::world::{Key, World};
use crate::harness::clients::Clients;
use crate::harness::logins::{explanation, listing};

/// A name that no organization has.
const NOBODYS: &str = "an-organization-that-is-not-there";

impl World {
    /// Lists and explains the organization to the person.
    pub(super) async fn is_shown_as_it_is(&self, clients: &Clients) {
        // What is not there yet can't be shown.
        let Some(organization) = &self.organization else { return };
        let (listed, explained, unseen) = match &self.key {
            Key::Token(token) => {
                (listing(token), explanation(token, organization), explanation(token, NOBODYS))
            }
            Key::Session(session) => {
                let explanation = |organization: &str| pb::ExplainDiscoveryRequest {
                    session_token: Some(session.clone()),
                    organization_id: organization.to_owned(),
                    ..pb::ExplainDiscoveryRequest::default()
                };
                let listing = pb::ListDiscoveredOrganizationsRequest {
                    session_token: Some(session.clone()),
                    ..pb::ListDiscoveredOrganizationsRequest::default()
                };
                (listing, explanation(organization), explanation(NOBODYS))
            }
        };
        let listed = clients.discovered(listed).await.unwrap().into_inner();
        let explained = clients.explain(explained).await.unwrap().into_inner();
        let of = |found: &&pb::DiscoveredOrganization| {
            found.organization.as_ref().is_some_and(|found| found.organization_id == *organization)
        };
        let found = listed.discovered_organizations.iter().find(of);
        assert_eq!(explained.discovered_organization.as_ref(), found, "{self:?}");
        match self.facts.door {
            Door::Finish => {
                assert_eq!(listed.organization_id_hint.as_ref(), Some(organization));
                assert_eq!(listed.discovered_organizations.len(), 1, "{self:?}");
            }
            Door::BoundElsewhere => assert_ne!(listed.organization_id_hint, None),
            Door::Create | Door::Exchange | Door::Switch => {}
        }
        let Ok(entry) = self.said.entry else {
            let unseen = clients.explain(unseen).await.unwrap().into_inner();
            assert_eq!((found, explained.visible), (None, false), "{self:?}");
            assert_eq!(explained.rules, unseen.rules, "{self:?}");
            return;
        };
        let found = found.unwrap_or_else(|| panic!("it is listed: {self:?}"));
        self.is_listed_as(entry, found);
        assert!(explained.visible, "{self:?}");
        let rules: Vec<_> = explained.rules.iter().map(|rule| (rule.rule.as_str(), rule.verdict())).collect();
        let verdicts = self.said.verdicts().into_iter().map(told);
        assert_eq!(
            rules,
            Rule::ALL.map(Rule::as_str).into_iter().zip(verdicts).collect::<Vec<_>>(),
            "{self:?}"
        );
    }

    fn is_listed_as(&self, entry: Entry, found: &pb::DiscoveredOrganization) {
        let owed = Owed::of(found.primary_required.as_ref(), found.mfa_required.as_ref());
        assert_eq!((owed, found.member_authenticated), (self.owed(), self.said.complete()), "{self:?}");
        let membership = found.membership.as_ref().unwrap();
        let details = membership.details.clone().unwrap_or_default();
        let details = (details.domain.is_some(), details.provider.is_some(), details.tenant.is_some());
        let (r#type, expected) = match (entry, self.facts.standing) {
            (Entry::ByDomain, _) => ("eligible_to_join_by_email_domain", (true, false, false)),
            (Entry::ByTenant, _) => ("eligible_to_join_by_oauth_tenant", (false, true, true)),
            (_, Standing::Active) => ("active_member", (false, false, false)),
            (_, Standing::Invited) => ("invited_member", (false, false, false)),
            (_, Standing::Pending) => ("pending_member", (false, false, false)),
            (_, Standing::Retired | Standing::Stranger) => panic!("who is no member joins: {self:?}"),
        };
        assert_eq!((membership.r#type.as_str(), details), (r#type, expected), "{self:?}");
        let member_id = membership.member.as_ref().map(|member| &member.member_id);
        assert_eq!(member_id, self.member_id.as_ref().filter(|_| entry == Entry::Member), "{self:?}");
    }
}

/// What callers are told of a verdict.
fn told(verdict: Option<Verdict>) -> pb::RuleVerdict {
    match verdict {
        None => pb::RuleVerdict::NotApplied,
        Some(Verdict::Pass) => pb::RuleVerdict::Passed,
        Some(Verdict::Enter(_)) => pb::RuleVerdict::Admitted,
        Some(Verdict::NotMet | Verdict::Refuse(_)) => pb::RuleVerdict::NotMet,
        Some(Verdict::OweVerification | Verdict::OweMethod | Verdict::OweSecondFactor) => {
            pb::RuleVerdict::FactorOwed
        }
    }
}

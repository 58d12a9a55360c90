//! Building a world, by calls that everybody has. The organization is open to all while people log in to it,
//! and gets its settings last.

use vestibule::domain::admission::{
    Claim, DomainPath, Door, Facts, Proof, SecondFactor, Standing, TenantPath,
};
use vestibule::pb;

use super::bag::Plan;
use super::{Key, World};
use crate::admission::answers::{enter, log_in, tried};
use crate::admission::cases::Said;
use crate::admission::factors::microsoft;
use crate::admission::settings::Settings;
use crate::harness::clients::Clients;
use crate::harness::fixtures::{magic_link, organization};
use crate::harness::logins::switch;
use crate::harness::members::{invitation, member_update, new_member};

/// Where a world is built.
struct Site {
    clients: Clients,
    plan: Plan,
}

impl World {
    /// Builds the world of a case.
    pub(in crate::admission) async fn build(clients: Clients, number: usize, facts: Facts) -> Self {
        let plan = Plan::of(number, facts);
        let site = Site { clients, plan };
        let (organization, member_id, key) = match facts.door {
            Door::Create => (None, None, Key::Token(site.whole_token().await)),
            Door::Finish => site.unfinished_creation().await,
            Door::Exchange | Door::BoundElsewhere | Door::Switch => {
                let organization = site.organization("World").await;
                let member_id = site.person(&organization).await;
                let key = match facts.door {
                    Door::Switch if facts.second == SecondFactor::Given => {
                        site.own_session(&organization).await
                    }
                    Door::Switch => site.other_session().await,
                    Door::BoundElsewhere => Key::Token(site.bound_token().await),
                    _ => Key::Token(site.whole_token().await),
                };
                (Some(organization), member_id, key)
            }
        };
        if let Some(organization) = &organization {
            site.settle(organization, member_id.as_deref()).await;
        }
        site.claim().await;
        let settings = plan.settings();
        Self { facts: plan.facts, said: Said::of(&facts), settings, organization, member_id, key }
    }
}

impl Site {
    async fn organization(&self, name: &str) -> String {
        self.clients.organization(&format!("{name} {}", self.plan.number)).await.organization_id
    }

    async fn set(&self, organization: &str, settings: &Settings) {
        self.clients.update_organization(settings.update(organization)).await.unwrap();
    }

    async fn log_in(&self, organization: &str, factors: Vec<pb::VouchedFactor>) -> String {
        log_in(&self.clients, &self.plan.address(), factors, organization).await.session_token
    }

    /// Makes the person what the case says they are, in an open organization.
    async fn person(&self, organization: &str) -> Option<String> {
        let Self { clients, plan } = self;
        let address = plan.address();
        let member = match plan.facts.standing {
            Standing::Active => {
                let member = clients.member(organization, &address).await;
                if plan.facts.proof == Proof::Account {
                    self.log_in(organization, vec![magic_link(), plan.account()]).await;
                } else if plan.odd() && plan.facts.domain != DomainPath::NoPeer {
                    self.log_in(organization, vec![magic_link()]).await;
                }
                member
            }
            Standing::Invited | Standing::Pending if plan.facts.proof == Proof::Account => {
                return Some(self.newcomer_with_account(organization).await);
            }
            Standing::Invited => {
                let invited = clients.invite_member(invitation(organization, &address)).await.unwrap();
                invited.into_inner().member.unwrap()
            }
            Standing::Pending => {
                let request = pb::CreateMemberRequest {
                    create_member_as_pending: true,
                    ..new_member(organization, &address)
                };
                clients.create_member(request).await.unwrap().into_inner().member.unwrap()
            }
            Standing::Retired => {
                let member = clients.member(organization, &address).await;
                if plan.odd() {
                    self.log_in(organization, vec![magic_link()]).await;
                }
                let update = pb::UpdateMemberRequest {
                    email_address: Some(format!("ada@moved{}.com", plan.number)),
                    ..member_update(organization, &member.member_id)
                };
                clients.update_member(update).await.unwrap();
                return None;
            }
            Standing::Stranger if plan.odd() => {
                let member = clients.member(organization, &address).await;
                self.log_in(organization, vec![magic_link()]).await;
                let request = pb::DeleteMemberRequest {
                    organization_id: organization.to_owned(),
                    member_id: member.member_id.clone(),
                    ..pb::DeleteMemberRequest::default()
                };
                clients.delete_member(request).await.unwrap();
                member
            }
            Standing::Stranger => return None,
        };
        Some(member.member_id)
    }

    /// Somebody who joins by a tenant and owes a second factor is pending, and their account is registered.
    async fn newcomer_with_account(&self, organization: &str) -> String {
        let Self { clients, plan } = self;
        assert_eq!(plan.facts.tenant, TenantPath::Open);
        let tenants = plan.settings().tenants;
        self.set(organization, &Settings { tenants, ..Settings::mfa() }).await;
        let token = clients.token_with(&plan.address(), vec![plan.account()]).await;
        let pending = enter(clients, &token, organization).await.unwrap();
        assert_eq!(pending.member().status, "pending");
        self.set(organization, &Settings::default()).await;
        if plan.facts.standing == Standing::Invited {
            clients.invite_member(invitation(organization, &plan.address())).await.unwrap();
        }
        pending.member_id
    }

    /// A token with the first factors.
    async fn first_token(&self) -> String {
        let Self { clients, plan } = self;
        if plan.facts.proof != Proof::Carried {
            return clients.token_with(&plan.address(), plan.first_factors().0).await;
        }
        let home = clients.founded(&plan.address()).await;
        let strict = self.organization("Strict").await;
        clients.member(&strict, &plan.address()).await;
        self.set(&strict, &Settings::mfa()).await;
        let sent_on = tried(clients.switch(switch(&home.session_token, &strict)).await).unwrap();
        self.add(&sent_on.token, plan.tenant_account()).await;
        sent_on.token
    }

    async fn add(&self, token: &str, factors: impl IntoIterator<Item = pb::VouchedFactor>) {
        for factor in factors {
            self.clients.add_factor(token, factor).await.unwrap();
        }
    }

    /// An open token.
    async fn whole_token(&self) -> String {
        let token = self.first_token().await;
        self.add(&token, self.plan.second_factor().0).await;
        token
    }

    /// A token that is bound to another organization.
    async fn bound_token(&self) -> String {
        let token = self.first_token().await;
        let created = tried(self.clients.spend(Settings::mfa().creation(&token)).await).unwrap();
        assert_eq!(created.token, token);
        self.add(&token, self.plan.second_factor().0).await;
        token
    }

    /// An organization whose creator owes a second factor, and the token that is bound to it.
    async fn unfinished_creation(&self) -> (Option<String>, Option<String>, Key) {
        let Self { clients, plan } = self;
        let Facts { standing, proof, .. } = plan.facts;
        // The accounts that a creation sees are the creator's; what is to be nobody's is added later.
        let later = standing != Standing::Active && proof != Proof::Account;
        let token = if later {
            clients.token_with(&plan.address(), vec![microsoft(false)]).await
        } else {
            self.first_token().await
        };
        let created = tried(clients.spend(Settings::mfa().creation(&token)).await).unwrap();
        let organization = created.organization_id;
        self.set(&organization, &Settings::default()).await;
        match standing {
            Standing::Active if proof == Proof::Account => {
                self.log_in(&organization, vec![magic_link(), plan.account()]).await;
            }
            Standing::Invited => {
                clients.invite_member(invitation(&organization, &plan.address())).await.unwrap();
            }
            _ => {}
        }
        if later {
            self.add(&token, plan.first_factors().0).await;
        }
        self.add(&token, plan.second_factor().0).await;
        (Some(organization), Some(created.member_id), Key::Token(token))
    }

    /// A session of the organization itself.
    async fn own_session(&self, organization: &str) -> Key {
        let (mut factors, _) = self.plan.first_factors();
        factors.extend(self.plan.second_factor().0);
        Key::Session(self.log_in(organization, factors).await)
    }

    /// A session of another organization.
    async fn other_session(&self) -> Key {
        let Self { clients, plan } = self;
        let (factors, _) = plan.first_factors();
        let proves = plan.facts.proof == Proof::Carried;
        let first = if proves { factors.clone() } else { [vec![magic_link()], factors.clone()].concat() };
        let token = clients.token_with(&plan.address(), first).await;
        let home = tried(clients.spend(Settings::default().creation(&token)).await).unwrap();
        if proves {
            return Key::Session(home.session_token);
        }
        // At home the account is known, so that it is enough there.
        Key::Session(self.log_in(&home.organization_id, factors).await)
    }

    /// Who else is there, what the member is asked, and the settings.
    async fn settle(&self, organization: &str, member_id: Option<&str>) {
        let Self { clients, plan } = self;
        let address = format!("peer@{}", plan.domain());
        match plan.facts.domain {
            DomainPath::Open => {
                clients.member(organization, &address).await;
                log_in(clients, &address, vec![magic_link()], organization).await;
            }
            // Active by the word of the organization alone, which has proved nothing.
            DomainPath::NoPeer if plan.odd() => {
                clients.member(organization, &address).await;
            }
            DomainPath::NoPeer | DomainPath::NotListed | DomainPath::Off => {}
        }
        if let Some(member_id) = member_id.filter(|_| plan.is_member()) {
            let update = pb::UpdateMemberRequest {
                is_breakglass: Some(plan.facts.exempt),
                mfa_enrolled: Some(plan.enrolled()),
                mfa_phone_number: plan.phone(),
                ..member_update(organization, member_id)
            };
            clients.update_member(update).await.unwrap();
        }
        self.set(organization, &plan.settings()).await;
    }

    async fn claim(&self) {
        match self.plan.facts.claim {
            Claim::Unclaimed => {}
            Claim::ClaimedElsewhere => {
                let request = pb::CreateOrganizationRequest {
                    claimed_email_domains: vec![self.plan.domain()],
                    ..organization(&format!("Owner {}", self.plan.number))
                };
                self.clients.create(request).await.unwrap();
            }
        }
    }
}

//! What the creating calls write, each as one round trip.

use super::chain::Chain;
use super::{Error, Store, StoredAnswer};
use crate::domain::event::Event;
use crate::domain::intermediate_session::TokenHash;
use crate::domain::member::Member;
use crate::domain::organization::Organization;
use crate::domain::session::MemberSession;
use time::OffsetDateTime;

/// An organization without members.
#[derive(Debug)]
pub struct Creation<'a> {
    /// What a repeat of the call is answered with.
    pub answer: Option<&'a StoredAnswer>,
    /// The organization.
    pub organization: &'a Organization,
    /// What happened.
    pub events: &'a [Event],
}

/// What an intermediate session token buys: an organization, its first member, and a session unless
/// a factor is owed.
#[derive(Debug)]
pub struct DiscoveryCreation<'a> {
    /// The organization, and what happened.
    pub creation: Creation<'a>,
    /// The token.
    pub token_hash: TokenHash,
    /// When the token ends.
    pub token_expires_at: OffsetDateTime,
    /// The first member.
    pub member: &'a Member,
    /// The session.
    pub purchase: Option<Purchase<'a>>,
    /// When the token was spent.
    pub now: OffsetDateTime,
}

/// The session that a token buys.
#[derive(Debug)]
pub struct Purchase<'a> {
    /// The session.
    pub session: &'a MemberSession,
    /// The SHA-256 of its token.
    pub token_hash: [u8; 32],
    /// What its token was derived with, besides the intermediate session token and the server's key.
    pub nonce: [u8; 32],
}

impl Store {
    /// Records an organization.
    ///
    /// # Errors
    /// [`Error::Violates`] with `IdempotencyKey`, `OrganizationName` or `ClaimedDomain`, in this
    /// order; or as [`Error`] says.
    pub async fn record_organization(&self, creation: &Creation<'_>) -> Result<(), Error> {
        let mut chain = Chain::default();
        if let Some(answer) = creation.answer {
            chain.answer(answer);
        }
        chain.organization(creation.organization);
        chain.events(creation.events);
        self.insert("organization_create", chain).await.map(drop)
    }

    /// Records what a token buys. `Ok(false)`: another organization has claimed the domain of the
    /// member's address, and nothing was written.
    ///
    /// # Errors
    /// [`Error::Violates`] with `IdempotencyKey`, `Receipt` or `OrganizationName`, in this order; or
    /// as [`Error`] says.
    pub async fn record_discovery_creation(&self, bought: &DiscoveryCreation<'_>) -> Result<bool, Error> {
        let mut chain = Chain::default();
        chain.unless_exists(
            "organization_domains WHERE kind = 'claimed' AND domain = $1",
            bought.member.email_address.domain().as_str().into(),
        );
        if let Some(answer) = bought.creation.answer {
            chain.answer(answer);
        }
        chain.receipt(bought);
        chain.organization(bought.creation.organization);
        chain.member(bought.member);
        if let Some(purchase) = &bought.purchase {
            chain.session(purchase);
        }
        chain.events(bought.creation.events);
        self.insert("discovery_create_organization", chain).await
    }
}

//! Finding a free slug for a new organization.

use crate::domain::default_names::with_suffix;
use crate::domain::ids::OrganizationId;
use crate::domain::reason::{Reason, Violation};
use crate::domain::slug::{ExternalId, Slug};
use crate::entropy::Entropy;
use crate::service::Service;
use crate::service::error::Error;
use crate::store::NamesTaken;

/// How often a name is tried again: a generated slug with another ending, or a name that was taken
/// and became free at once.
const ATTEMPTS: usize = 5;

/// The characters of a random ending.
const BASE36: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// The slug that a new organization is tried with.
#[derive(Debug)]
pub(in crate::service) struct Naming {
    /// What it is tried with now.
    pub(in crate::service) slug: Slug,
    /// What every ending is put behind; `None` when the caller chose the slug.
    generated_from: Option<Slug>,
    attempts_left: usize,
}

impl Naming {
    /// The caller's slug, or one that nobody chose.
    pub(in crate::service) fn new(chosen: Option<Slug>, generated: impl FnOnce() -> Slug) -> Self {
        let (slug, generated_from) = chosen.map_or_else(
            || {
                let slug = generated();
                (slug.clone(), Some(slug))
            },
            |slug| (slug, None),
        );
        Self { slug, generated_from, attempts_left: ATTEMPTS }
    }

    /// Decides what to try next after a name was found taken.
    ///
    /// # Errors
    /// `AlreadyExists` when a name that the caller chose is taken, or nothing else is left to try.
    pub(in crate::service) async fn next(
        &mut self,
        service: &Service,
        id: OrganizationId,
        external_id: Option<&ExternalId>,
    ) -> Result<(), Error> {
        let taken = service.parts.store.organization_names_taken(id, &self.slug, external_id).await?;
        let exhausted = self.attempts_left == 0;
        self.attempts_left = self.attempts_left.saturating_sub(1);
        match &self.generated_from {
            Some(slug) if taken.slug && !exhausted => {
                self.slug = with_suffix(slug, &random_ending(&*service.parts.entropy));
            }
            _ => refuse_taken(taken)?,
        }
        // The caller did not choose the slug: only the external id is for them to change.
        refuse_taken(NamesTaken { slug: false, ..taken })?;
        // Nothing is taken any more: whoever had the name has just given it up.
        if exhausted { Err(Error::concurrent()) } else { Ok(()) }
    }
}

/// # Errors
/// `AlreadyExists` with whichever is taken.
pub(in crate::service) fn refuse_taken(taken: NamesTaken) -> Result<(), Error> {
    let mut violations = Vec::new();
    if taken.slug {
        violations.push(Violation::new(
            "organization_slug",
            Reason::OrganizationSlugAlreadyUsed,
            "the slug is already used by another organization",
        ));
    }
    if taken.external_id {
        violations.push(Violation::new(
            "organization_external_id",
            Reason::OrganizationExternalIdAlreadyUsed,
            "the external id is already used by another organization",
        ));
    }
    if violations.is_empty() { Ok(()) } else { Err(Error::AlreadyExists(violations)) }
}

fn random_ending(entropy: &dyn Entropy) -> String {
    let bytes: [u8; 6] = entropy.bytes();
    bytes.iter().map(|byte| char::from(BASE36[usize::from(*byte) % BASE36.len()])).collect()
}

//! Creating an organization without members.

use crate::domain::call::Call;
use crate::domain::default_names::slug_from;
use crate::domain::event::{Event, EventType};
use crate::domain::json::JsonObject;
use crate::domain::organization::{Organization, first_version};
use crate::domain::organization_settings::OrganizationSettings;
use crate::domain::slug::{ExternalId, Slug};
use crate::service::Service;
use crate::service::answers::stored_answer;
use crate::service::error::Error;
use crate::service::mint::Mint;
use crate::service::organizations::Naming;
use crate::store::{Constraint, Creation, Error as StoreError};

/// What to create.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "documented by the proto message CreateOrganizationRequest")]
pub struct CreateOrganization {
    pub name: String,
    pub slug: Option<Slug>,
    pub external_id: Option<ExternalId>,
    pub logo_url: String,
    pub trusted_metadata: JsonObject,
    pub settings: OrganizationSettings,
}

impl Service {
    /// Creates an organization without members.
    ///
    /// # Errors
    /// `AlreadyExists` for a taken slug, external id or claimed domain; `IDEMPOTENCY_KEY_REUSED`.
    pub async fn create_organization(
        &self,
        call: &Call,
        command: CreateOrganization,
    ) -> Result<Organization, Error> {
        let parts = &self.parts;
        let mint = Mint::new(&*parts.clock, &*parts.entropy);
        let mut naming = Naming::new(command.slug, || slug_from(&command.name));
        let mut organization = Organization {
            id: mint.id(),
            name: command.name,
            slug: naming.slug.clone(),
            external_id: command.external_id,
            logo_url: command.logo_url,
            trusted_metadata: command.trusted_metadata,
            settings: command.settings,
            created_at: mint.now,
            updated_at: mint.now,
            version: first_version(),
        };
        let events = [Event::new(mint.id(), EventType::OrganizationCreated, organization.id, call, mint.now)];
        loop {
            let answer = stored_answer(call, &organization, mint.now)?;
            let creation = Creation { answer: answer.as_ref(), organization: &organization, events: &events };
            match parts.store.record_organization(&creation).await {
                Ok(()) => return Ok(organization),
                Err(StoreError::Violates(Constraint::IdempotencyKey)) => {
                    return self.earlier_answer(call).await?.ok_or_else(Error::concurrent);
                }
                Err(StoreError::Violates(Constraint::OrganizationName)) => {
                    naming.next(self, organization.id, organization.external_id.as_ref()).await?;
                    organization.slug = naming.slug.clone();
                }
                Err(StoreError::Violates(Constraint::ClaimedDomain)) => {
                    return Err(self.claimed_by_another(&organization).await?);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

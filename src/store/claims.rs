//! What only one organization can have, and which has it: names, and claims to e-mail domains.

use sea_orm::{QueryResult, Value};

use super::parameters::Parameters;
use super::{Engine, Error, Store, Transaction, column};
use crate::domain::email_domain::EmailDomain;
use crate::domain::ids::OrganizationId;
use crate::domain::slug::{ExternalId, Slug};

/// Which names are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NamesTaken {
    /// The slug.
    pub slug: bool,
    /// The external id.
    pub external_id: bool,
}

impl Store {
    /// Which of these names, a slug's and an external id's, other organizations have.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn organization_names_taken(
        &self,
        own: OrganizationId,
        slug: &Slug,
        external_id: Option<&ExternalId>,
    ) -> Result<NamesTaken, Error> {
        let external_id = external_id.map(ExternalId::key);
        let sql = "SELECT name FROM organization_names WHERE name IN ($1, $2) AND organization_id <> $3";
        let values = vec![slug.key().into(), external_id.clone().into(), own.uuid().into()];
        let rows = self.query("organization_names_taken", sql, values).await?;
        let mut taken = NamesTaken::default();
        for row in rows {
            let name: String = column(&row, "name")?;
            taken.slug |= name == slug.key();
            taken.external_id |= external_id.as_ref() == Some(&name);
        }
        Ok(taken)
    }

    /// Which of these domains other organizations have claimed.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn claimed_domains(
        &self,
        own: OrganizationId,
        domains: &[EmailDomain],
    ) -> Result<Vec<EmailDomain>, Error> {
        let (sql, values) = claimed_elsewhere(self.engine, own, domains);
        claimed(domains, &self.query("claimed_domains", &sql, values).await?)
    }
}

impl Transaction {
    /// Which of these domains other organizations have claimed.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn claimed_domains(
        &self,
        own: OrganizationId,
        domains: &[EmailDomain],
    ) -> Result<Vec<EmailDomain>, Error> {
        let (sql, values) = claimed_elsewhere(self.engine, own, domains);
        claimed(domains, &self.query(&sql, values).await?)
    }
}

fn claimed_elsewhere(engine: Engine, own: OrganizationId, domains: &[EmailDomain]) -> (String, Vec<Value>) {
    let mut parameters = Parameters::of(engine);
    let own = parameters.add(own.uuid());
    let list = parameters.any_text(domains.iter().map(EmailDomain::as_str));
    let sql = format!(
        "SELECT domain FROM organization_domains \
         WHERE kind = 'claimed' AND domain {list} AND organization_id <> {own}"
    );
    (sql, parameters.values())
}

fn claimed(domains: &[EmailDomain], rows: &[QueryResult]) -> Result<Vec<EmailDomain>, Error> {
    let taken = rows.iter().map(|row| column::<String>(row, "domain")).collect::<Result<Vec<_>, _>>()?;
    let is_taken = |domain: &&EmailDomain| taken.iter().any(|taken| taken == domain.as_str());
    Ok(domains.iter().filter(is_taken).cloned().collect())
}

//! What only one member of an organization can have, and who has it.

use std::collections::HashSet;

use sea_orm::{QueryResult, Value};
use uuid::Uuid;

use super::parameters::Parameters;
use super::{Engine, Error, Store, Transaction, column};
use crate::domain::ids::{MemberId, OrganizationId};
use crate::domain::member::Member;
use crate::domain::slug::ExternalId;

/// What only one member of an organization can have.
#[derive(Clone, Default, PartialEq)]
pub struct Unique {
    /// Addresses.
    pub email_addresses: HashSet<String>,
    /// External ids, in lower case.
    pub external_ids: HashSet<String>,
    /// Phone numbers.
    pub phone_numbers: HashSet<String>,
}

/// Addresses and numbers never reach logs.
impl std::fmt::Debug for Unique {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Unique(<redacted>)")
    }
}

impl Unique {
    /// What these members have, or are to have.
    #[must_use]
    pub fn of<'a>(members: impl IntoIterator<Item = &'a Member>) -> Self {
        let mut unique = Self::default();
        for member in members {
            let retired = member.retired_email_addresses.iter().map(|retired| &retired.email_address);
            let addresses = std::iter::once(&member.email_address).chain(retired);
            unique.email_addresses.extend(addresses.map(|address| address.as_str().to_owned()));
            unique.external_ids.extend(member.external_id.as_ref().map(ExternalId::key));
            let number = member.mfa_phone_number.as_ref();
            unique.phone_numbers.extend(number.map(|number| number.as_str().to_owned()));
        }
        unique
    }
}

impl Store {
    /// What of this members of the organization have, other than `except`.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Corrupt`].
    pub async fn members_have(
        &self,
        organization: OrganizationId,
        except: Option<MemberId>,
        wanted: &Unique,
    ) -> Result<Unique, Error> {
        let mut taken = Unique::default();
        for (kind, sql, values) in wanted.queries(self.engine, organization, except) {
            taken.add(kind, &self.query("member_fields_taken", &sql, values).await?)?;
        }
        Ok(taken)
    }
}

impl Transaction {
    /// What of this other members of the organization have.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn others_have(&self, member: &Member, wanted: &Unique) -> Result<Unique, Error> {
        let mut taken = Unique::default();
        for (kind, sql, values) in wanted.queries(self.engine, member.organization_id, Some(member.id)) {
            taken.add(kind, &self.query(&sql, values).await?)?;
        }
        Ok(taken)
    }
}

/// A kind of what only one member of an organization can have.
#[derive(Clone, Copy)]
enum Kind {
    EmailAddress,
    ExternalId,
    PhoneNumber,
}

impl Unique {
    /// The queries that tell who else has this.
    fn queries(
        &self,
        engine: Engine,
        organization: OrganizationId,
        except: Option<MemberId>,
    ) -> Vec<(Kind, String, Vec<Value>)> {
        let places = [
            (Kind::EmailAddress, &self.email_addresses, "email_address", "live"),
            (
                Kind::ExternalId,
                &self.external_ids,
                "lower(external_id)",
                "external_id IS NOT NULL AND status <> 'deleted'",
            ),
            (
                Kind::PhoneNumber,
                &self.phone_numbers,
                "mfa_phone_number",
                "mfa_phone_number <> '' AND status <> 'deleted'",
            ),
        ];
        let wanted = places.into_iter().filter(|(_, wanted, ..)| !wanted.is_empty());
        let query = wanted.map(|(kind, wanted, value, condition)| {
            let (table, member) = match kind {
                Kind::EmailAddress => ("member_email_addresses", "member_id"),
                Kind::ExternalId | Kind::PhoneNumber => ("members", "id"),
            };
            let mut parameters = Parameters::of(engine);
            let organization = parameters.add(organization.uuid());
            // No member has the nil id.
            let except = parameters.add(except.map_or(Uuid::nil(), MemberId::uuid));
            let list = parameters.any_text(wanted.iter().map(String::as_str));
            let sql = format!(
                "SELECT {value} AS taken FROM {table} WHERE organization_id = {organization} \
                 AND {member} <> {except} AND {condition} AND {value} {list}"
            );
            (kind, sql, parameters.values())
        });
        query.collect()
    }

    fn add(&mut self, kind: Kind, rows: &[QueryResult]) -> Result<(), Error> {
        let set = match kind {
            Kind::EmailAddress => &mut self.email_addresses,
            Kind::ExternalId => &mut self.external_ids,
            Kind::PhoneNumber => &mut self.phone_numbers,
        };
        for row in rows {
            set.insert(column(row, "taken")?);
        }
        Ok(())
    }
}

//! Several members in one request.

use std::collections::HashMap;

use prost::Message;

use super::Violations;
use super::member::new_member;
use crate::api::Api;
use crate::domain::member::MAX_BATCH;
use crate::domain::reason::Reason;
use crate::domain::slug::ExternalId;
use crate::pb;
use crate::service::members::create::NewMember;

/// The most bytes of a batch: the answer, which has more in it, must fit into the 4 MiB that clients accept.
const MAX_BATCH_BYTES: usize = 3 * 1024 * 1024;

/// What is answered about a role beside its id: where it comes from.
const ROLE_BYTES: usize = 40;

/// How large a member is in the answer, roughly.
fn size(member: &pb::NewMember) -> usize {
    member.encoded_len() + member.roles.len() * ROLE_BYTES
}

/// Reads the members of a batch. Each violation names its member.
pub(super) fn members(
    api: &Api,
    violations: &mut Violations,
    sent: Vec<pb::NewMember>,
) -> Option<Vec<NewMember>> {
    if sent.is_empty() || sent.len() > MAX_BATCH {
        let rule = format!("has not 1 to {MAX_BATCH} members");
        violations.add("members", Reason::InvalidArgument, rule);
        return None;
    }
    if sent.iter().map(size).sum::<usize>() > MAX_BATCH_BYTES {
        let rule = format!("is larger than {MAX_BATCH_BYTES} bytes");
        violations.add("members", Reason::InvalidArgument, rule);
        return None;
    }
    let mut seen = Seen::default();
    let mut members = Vec::with_capacity(sent.len());
    for (index, member) in sent.into_iter().enumerate() {
        let mut own = Violations::of(violations.message);
        let member = new_member(api, &mut own, member);
        if let Some(member) = &member {
            seen.check(&mut own, index, member);
        }
        for violation in &mut own.list {
            violation.field = format!("members[{index}].{}", violation.field);
        }
        violations.list.append(&mut own.list);
        members.extend(member);
    }
    violations.list.is_empty().then_some(members)
}

/// What only one member of an organization can have, and which member of the batch has it.
#[derive(Default)]
struct Seen {
    addresses: HashMap<String, usize>,
    external_ids: HashMap<String, usize>,
    numbers: HashMap<String, usize>,
}

impl Seen {
    fn check(&mut self, violations: &mut Violations, index: usize, member: &NewMember) {
        let address = Some(member.email_address.as_str().to_owned());
        let external_id = member.external_id.as_ref().map(ExternalId::key);
        let number = member.mfa_phone_number.as_ref().map(|number| number.as_str().to_owned());
        for (seen, key, field, reason) in [
            (&mut self.addresses, address, "email_address", Reason::DuplicateMemberEmail),
            (&mut self.numbers, number, "mfa_phone_number", Reason::DuplicateMemberPhoneNumber),
            (&mut self.external_ids, external_id, "external_id", Reason::DuplicateMemberExternalId),
        ] {
            let Some(key) = key else { continue };
            let first = *seen.entry(key).or_insert(index);
            if first != index {
                violations.add(field, reason, format!("is that of members[{first}] as well"));
            }
        }
    }
}

//! Searches: queries, pages and cursors.

use prost_types::Value as ProtoValue;
use prost_types::value::Kind;
use serde::Serialize;
use tonic::Status;

use super::Violations;
use super::organization::name_at;
use super::search_filters::{member_filter, organization_filter};
use crate::api::Api;
use crate::domain::reason::Reason;
use crate::domain::search::{
    DEFAULT_LIMIT, MAX_LIMIT, MAX_OPERANDS, MAX_ORGANIZATIONS, MAX_SUBSTRING, MAX_VALUES, MIN_SUBSTRING,
    Operand, Operator, Page, Query, Substring,
};
use crate::pb;
use crate::service::members::search::SearchMembers;
use crate::service::organizations::search::SearchOrganizations;
use crate::tokens::cursor::{self, Search};

/// A parsed search, and what its cursors are bound to.
#[derive(Debug)]
pub(in crate::api) struct Bound<T> {
    /// What the use case is to do.
    pub(in crate::api) command: T,
    /// The search, as cursors know it.
    pub(in crate::api) search: Search,
}

/// The reasons by which one of the two searches refuses operands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reasons {
    pub(super) not_recognized: Reason,
    pub(super) missing_name: Reason,
    pub(super) missing_value: Reason,
    pub(super) expected_string: Reason,
    pub(super) expected_list: Reason,
    pub(super) expected_boolean: Reason,
}

const ORGANIZATIONS: Reasons = Reasons {
    not_recognized: Reason::OrganizationSearchFilterNameNotRecognized,
    missing_name: Reason::OrganizationSearchMissingFilterName,
    missing_value: Reason::OrganizationSearchMissingFilterValue,
    expected_string: Reason::OrganizationSearchExpectedString,
    expected_list: Reason::OrganizationSearchExpectedArrayOfStrings,
    expected_boolean: Reason::OrganizationSearchExpectedBoolean,
};

const MEMBERS: Reasons = Reasons {
    not_recognized: Reason::MemberSearchFilterNameNotRecognized,
    missing_name: Reason::MemberSearchMissingFilterName,
    missing_value: Reason::MemberSearchMissingFilterValue,
    expected_string: Reason::MemberSearchExpectedString,
    expected_list: Reason::MemberSearchExpectedArrayOfStrings,
    expected_boolean: Reason::MemberSearchExpectedBoolean,
};

/// Reads a search for organizations.
pub(in crate::api) fn organizations(
    api: &Api,
    request: pb::SearchOrganizationsRequest,
) -> Result<Bound<SearchOrganizations>, Status> {
    let mut violations = Violations::of("SearchOrganizationsRequest");
    let limit = limit(&mut violations, request.limit);
    let query = query(&mut violations, ORGANIZATIONS, request.query, |operands, name, value| {
        organization_filter(api, operands, name, value)
    });
    let parsed = query.and_then(|query| {
        let search = Search::of(&("organizations", &query));
        let page = page(&mut violations, &search, limit, &request.cursor)?;
        Some(Bound { command: SearchOrganizations { query, page }, search })
    });
    violations.finish(parsed)
}

/// Reads a search for members.
pub(in crate::api) fn members(
    api: &Api,
    request: pb::SearchMembersRequest,
) -> Result<Bound<SearchMembers>, Status> {
    const FIELD: &str = "organization_ids";
    let mut violations = Violations::of("SearchMembersRequest");
    let limit = limit(&mut violations, request.limit);
    let sent = request.organization_ids;
    if sent.is_empty() {
        let rule = "names no organization";
        violations.add(FIELD, Reason::MemberSearchOrganizationIdsEmpty, rule);
    } else if sent.len() > MAX_ORGANIZATIONS {
        let rule = format!("names more than {MAX_ORGANIZATIONS} organizations");
        violations.add(FIELD, Reason::InvalidArgument, rule);
    }
    let organizations: Vec<_> = sent
        .iter()
        .take(MAX_ORGANIZATIONS)
        .enumerate()
        .filter_map(|(index, text)| name_at(api, &mut violations, format!("{FIELD}[{index}]"), text))
        .collect();
    let query = query(&mut violations, MEMBERS, request.query, |operands, name, value| {
        member_filter(api, operands, name, value)
    });
    let parsed = query.and_then(|query| {
        let search = Search::of(&("members", &organizations, &query));
        let page = page(&mut violations, &search, limit, &request.cursor)?;
        Some(Bound { command: SearchMembers { organizations, query, page }, search })
    });
    violations.finish(parsed)
}

fn limit(violations: &mut Violations, sent: Option<u32>) -> u32 {
    let limit = sent.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        let rule = format!("is not within 1 to {MAX_LIMIT}");
        violations.add("limit", Reason::UserSearchInvalidLimit, rule);
    }
    limit
}

/// The page, if the cursor belongs to the search; only a search that was read can tell.
fn page(violations: &mut Violations, search: &Search, limit: u32, cursor: &str) -> Option<Page> {
    if cursor.is_empty() {
        return Some(Page { limit, position: None });
    }
    let read = cursor::read(search, cursor);
    let position = violations.check("cursor", Reason::UserSearchInvalidCursor, read)?;
    Some(Page { limit, position: Some(position) })
}

fn query<F: Serialize>(
    violations: &mut Violations,
    reasons: Reasons,
    sent: Option<pb::SearchQuery>,
    filter: impl Fn(&mut Operands<'_>, &str, &ProtoValue) -> Option<Operand<F>>,
) -> Option<Query<F>> {
    let sent = sent.unwrap_or_default();
    let operator = match pb::SearchOperator::try_from(sent.operator) {
        Ok(pb::SearchOperator::And) => Operator::And,
        Ok(pb::SearchOperator::Or) => Operator::Or,
        Ok(pb::SearchOperator::Unspecified) if sent.operands.is_empty() => Operator::default(),
        Ok(pb::SearchOperator::Unspecified) | Err(_) => {
            violations.add("query.operator", Reason::UserSearchInvalidOperator, "is neither AND nor OR");
            Operator::default()
        }
    };
    if sent.operands.len() > MAX_OPERANDS {
        let rule = format!("has more than {MAX_OPERANDS} operands");
        violations.add("query.operands", Reason::InvalidArgument, rule);
        return None;
    }
    let count = sent.operands.len();
    let operands: Vec<_> = sent
        .operands
        .into_iter()
        .enumerate()
        .filter_map(|(index, operand)| {
            let mut operands = Operands { violations, reasons, index };
            if operand.filter_name.is_empty() {
                operands.add("filter_name", reasons.missing_name, "is missing");
                return None;
            }
            let value =
                operand.filter_value.filter(|value| !matches!(value.kind, None | Some(Kind::NullValue(_))));
            let Some(value) = value else {
                operands.add("filter_value", reasons.missing_value, "is missing");
                return None;
            };
            filter(&mut operands, &operand.filter_name, &value)
        })
        .collect();
    (operands.len() == count).then_some(Query { operator, operands })
}

/// Reads the value of one operand, and notes what is wrong with it.
pub(super) struct Operands<'a> {
    pub(super) violations: &'a mut Violations,
    pub(super) reasons: Reasons,
    index: usize,
}

impl Operands<'_> {
    /// The path of a field of the operand.
    pub(super) fn path(&self, field: &str) -> String {
        format!("query.operands[{}].{field}", self.index)
    }

    pub(super) fn add(&mut self, field: &str, reason: Reason, rule: impl std::fmt::Display) {
        let path = self.path(field);
        self.violations.add(path, reason, rule);
    }

    pub(super) fn boolean(&mut self, value: &ProtoValue) -> Option<bool> {
        if let Some(Kind::BoolValue(boolean)) = value.kind {
            return Some(boolean);
        }
        self.add("filter_value", self.reasons.expected_boolean, "is not a boolean");
        None
    }

    pub(super) fn text<'a>(&mut self, value: &'a ProtoValue) -> Option<&'a str> {
        match &value.kind {
            Some(Kind::StringValue(text))
                if text.chars().count() <= MAX_SUBSTRING && !text.contains('\0') =>
            {
                Some(text)
            }
            _ => {
                let rule = format!("is not a text of at most {MAX_SUBSTRING} characters");
                self.add("filter_value", self.reasons.expected_string, rule);
                None
            }
        }
    }

    /// A text to be found inside others.
    pub(super) fn substring(&mut self, value: &ProtoValue, too_short: Reason) -> Option<Substring> {
        let text = self.text(value)?;
        if text.chars().count() < MIN_SUBSTRING {
            let rule = format!("is shorter than {MIN_SUBSTRING} characters");
            self.add("filter_value", too_short, rule);
            return None;
        }
        Some(Substring(text.to_owned()))
    }

    /// A list, each of whose texts is read by `read`; `None` if it has no such entry.
    pub(super) fn list<T>(
        &mut self,
        value: &ProtoValue,
        mut read: impl FnMut(&mut Violations, String, &str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let texts: Option<Vec<&str>> = match &value.kind {
            Some(Kind::ListValue(list)) if list.values.len() <= MAX_VALUES => {
                list.values.iter().map(|value| text_of(value)).collect()
            }
            _ => None,
        };
        let Some(texts) = texts else {
            let rule = format!("is not a list of at most {MAX_VALUES} texts");
            self.add("filter_value", self.reasons.expected_list, rule);
            return None;
        };
        if texts.is_empty() {
            self.add("filter_value", self.reasons.missing_value, "is an empty list");
            return None;
        }
        let path = self.path("filter_value");
        let read: Vec<_> = texts
            .iter()
            .enumerate()
            .filter_map(|(index, text)| read(self.violations, format!("{path}[{index}]"), text))
            .collect();
        (read.len() == texts.len()).then_some(read)
    }
}

fn text_of(value: &ProtoValue) -> Option<&str> {
    match &value.kind {
        Some(Kind::StringValue(text)) => Some(text),
        _ => None,
    }
}

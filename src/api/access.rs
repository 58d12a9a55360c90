//! What a caller needs for each call. A call without a row can't be made by anybody.

use crate::domain::permission::Permission;
use crate::domain::permission::Permission::{Discover, Read, Verify, Vouch, Write};

/// What a call needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// No credential.
    Open,
    /// One of these permissions.
    Needs(&'static [Permission]),
}

/// Every call. `admin` is enough for each.
const TABLE: &[(&str, Access)] = &[
    ("/grpc.health.v1.Health/Check", Access::Open),
    ("/grpc.health.v1.Health/Watch", Access::Open),
    ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Access::Open),
    ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Access::Open),
    ("/vestibule.v1.DiscoveryService/CreateOrganization", Access::Needs(&[Discover])),
    ("/vestibule.v1.DiscoveryService/ExchangeIntermediateSession", Access::Needs(&[Discover])),
    ("/vestibule.v1.DiscoveryService/ExplainDiscovery", Access::Needs(&[Discover])),
    ("/vestibule.v1.DiscoveryService/ListDiscoveredOrganizations", Access::Needs(&[Discover])),
    ("/vestibule.v1.IntermediateSessionService/AddFactor", Access::Needs(&[Vouch])),
    ("/vestibule.v1.IntermediateSessionService/CreateIntermediateSession", Access::Needs(&[Vouch])),
    ("/vestibule.v1.IntermediateSessionService/GetIntermediateSession", Access::Needs(&[Vouch])),
    ("/vestibule.v1.IntermediateSessionService/RevokeIntermediateSession", Access::Needs(&[Vouch])),
    ("/vestibule.v1.MemberService/BatchCreateMembers", Access::Needs(&[Write])),
    ("/vestibule.v1.MemberService/CreateMember", Access::Needs(&[Write])),
    ("/vestibule.v1.MemberService/DeleteMember", Access::Needs(&[Write])),
    ("/vestibule.v1.MemberService/DeleteMemberExternalId", Access::Needs(&[Write])),
    ("/vestibule.v1.MemberService/DeleteMemberMfaPhoneNumber", Access::Needs(&[Write])),
    ("/vestibule.v1.MemberService/GetMember", Access::Needs(&[Read])),
    ("/vestibule.v1.MemberService/InviteMember", Access::Needs(&[Write])),
    ("/vestibule.v1.MemberService/ReactivateMember", Access::Needs(&[Write])),
    ("/vestibule.v1.MemberService/SearchMembers", Access::Needs(&[Read])),
    ("/vestibule.v1.MemberService/UnlinkRetiredMemberEmail", Access::Needs(&[Write])),
    ("/vestibule.v1.MemberService/UpdateMember", Access::Needs(&[Write])),
    ("/vestibule.v1.OrganizationService/CreateOrganization", Access::Needs(&[Write])),
    ("/vestibule.v1.OrganizationService/DeleteOrganization", Access::Needs(&[Write])),
    ("/vestibule.v1.OrganizationService/DeleteOrganizationExternalId", Access::Needs(&[Write])),
    ("/vestibule.v1.OrganizationService/GetOrganization", Access::Needs(&[Read])),
    ("/vestibule.v1.OrganizationService/GetOrganizationMetrics", Access::Needs(&[Read])),
    ("/vestibule.v1.OrganizationService/SearchOrganizations", Access::Needs(&[Read])),
    ("/vestibule.v1.OrganizationService/UpdateOrganization", Access::Needs(&[Write])),
    ("/vestibule.v1.SessionService/AuthenticateSession", Access::Needs(&[Verify])),
    ("/vestibule.v1.SessionService/ExchangeSession", Access::Needs(&[Discover])),
    ("/vestibule.v1.SessionService/GetJwks", Access::Open),
    ("/vestibule.v1.SessionService/GetSessions", Access::Needs(&[Verify])),
    // Logging out is for whoever logs in, and holds the token. What is named by an id needs `write`, which is
    // looked at when the message has been read.
    ("/vestibule.v1.SessionService/RevokeSession", Access::Needs(&[Discover, Write])),
];

/// What a call to the path needs. `None`: there is no such call.
pub(super) fn of(path: &str) -> Option<Access> {
    let found = TABLE.binary_search_by_key(&path, |(path, _)| path);
    found.ok().and_then(|index| TABLE.get(index)).map(|(_, access)| *access)
}

#[cfg(test)]
mod tests;

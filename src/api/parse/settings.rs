//! The settings of an organization.

use std::marker::PhantomData;

use prost_types::Struct;
use prost_types::value::Kind;

use super::organization::Fields;
use super::roles::role;
use super::sent::Sent;
use super::{Violations, root};
use crate::api::Api;
use crate::api::enums::ProtoEnum;
use crate::domain::email_domain::EmailDomain;
use crate::domain::ids::{ConnectedAppId, ExternalConnectionId, OidcConnectionId, SamlConnectionId};
use crate::domain::organization_settings::{
    MAX_FOREIGN_ID, MAX_LIST, OauthTenant, RoleAssignment, SentSettings, TenantProvider,
};
use crate::domain::reason::{Reason, Violation};
use crate::pb;

/// A field, and what a bad value in it is refused with.
type Rule = (&'static str, Reason);

const SSO_JIT: Rule = ("sso_jit_provisioning", Reason::InvalidOrganizationAuthFactorSetting);
const EMAIL_JIT: Rule = ("email_jit_provisioning", Reason::InvalidOrganizationAuthFactorSetting);
const INVITES: Rule = ("email_invites", Reason::InvalidOrganizationAuthFactorSetting);
const TENANT_JIT: Rule = ("oauth_tenant_jit_provisioning", Reason::InvalidOrganizationAuthFactorSetting);
const AUTH_METHODS: Rule = ("auth_methods", Reason::InvalidOrganizationAuthMethodSettings);
const ALLOWED_AUTH_METHODS: Rule = ("allowed_auth_methods", Reason::InvalidOrganizationAllowedAuthMethods);
const MFA_POLICY: Rule = ("mfa_policy", Reason::InvalidOrganizationMfaPolicy);
const MFA_METHODS: Rule = ("mfa_methods", Reason::InvalidOrganizationMfaFactorSetting);
const ALLOWED_MFA_METHODS: Rule = ("allowed_mfa_methods", Reason::InvalidOrganizationAllowedMfaMethods);

/// Reads the settings, each by itself.
pub(super) fn settings(api: &Api, violations: &mut Violations, fields: Fields, sent: &Sent) -> SentSettings {
    let mut reader = Reader { violations, sent };
    let mut settings = SentSettings {
        sso_jit_provisioning: reader
            .choice::<_, pb::SsoJitProvisioning>(SSO_JIT, fields.sso_jit_provisioning),
        email_jit_provisioning: reader
            .choice::<_, pb::EmailJitProvisioning>(EMAIL_JIT, fields.email_jit_provisioning),
        email_invites: reader.choice::<_, pb::EmailInvites>(INVITES, fields.email_invites),
        auth_methods: reader.choice::<_, pb::AuthMethods>(AUTH_METHODS, fields.auth_methods),
        mfa_policy: reader.choice::<_, pb::MfaPolicy>(MFA_POLICY, fields.mfa_policy),
        mfa_methods: reader.choice::<_, pb::MfaMethods>(MFA_METHODS, fields.mfa_methods),
        oauth_tenant_jit_provisioning: reader
            .choice::<_, pb::OauthTenantJitProvisioning>(TENANT_JIT, fields.oauth_tenant_jit_provisioning),
        first_party_connected_apps_allowed_type: reader.choice::<_, pb::FirstPartyConnectedAppsAllowedType>(
            ("first_party_connected_apps_allowed_type", Reason::InvalidArgument),
            fields.first_party_connected_apps_allowed_type,
        ),
        third_party_connected_apps_allowed_type: reader.choice::<_, pb::ThirdPartyConnectedAppsAllowedType>(
            ("third_party_connected_apps_allowed_type", Reason::InvalidArgument),
            fields.third_party_connected_apps_allowed_type,
        ),
        ..SentSettings::default()
    };
    let mut list = |rules: &DomainRules, sent: Option<Vec<String>>| {
        sent.map(|sent| domains(api, violations, rules, &sent))
    };
    settings.email_allowed_domains = list(&ALLOWED, fields.email_allowed_domains);
    settings.claimed_email_domains = list(&CLAIMED, fields.claimed_email_domains);
    settings.allowed_auth_methods =
        fields.allowed_auth_methods.map(|sent| words(violations, ALLOWED_AUTH_METHODS, sent));
    settings.allowed_mfa_methods =
        fields.allowed_mfa_methods.map(|sent| words(violations, ALLOWED_MFA_METHODS, sent));
    settings.rbac_email_implicit_role_assignments =
        fields.rbac_email_implicit_role_assignments.map(|sent| role_assignments(api, violations, sent));
    settings.allowed_oauth_tenants = sent
        .clearable("allowed_oauth_tenants", fields.allowed_oauth_tenants)
        .map(|sent| sent.map_or_else(Vec::new, |sent| tenants(violations, sent)));
    settings.allowed_first_party_connected_apps = fields
        .allowed_first_party_connected_apps
        .map(|sent| apps(api, violations, "allowed_first_party_connected_apps", sent));
    settings.allowed_third_party_connected_apps = fields
        .allowed_third_party_connected_apps
        .map(|sent| apps(api, violations, "allowed_third_party_connected_apps", sent));
    settings.sso_default_connection_id = sent
        .clearable("sso_default_connection_id", fields.sso_default_connection_id)
        .map(|sent| sent.filter(|id| !id.is_empty()).and_then(|id| default_connection(api, violations, id)));
    settings.sso_jit_provisioning_allowed_connections =
        fields.sso_jit_provisioning_allowed_connections.map(|sent| connections(api, violations, sent));
    settings
}

fn default_connection(api: &Api, violations: &mut Violations, id: String) -> Option<String> {
    if is_connection(api, &id) {
        return Some(id);
    }
    let rule = "is not the id of an SSO connection of this environment";
    violations.add("sso_default_connection_id", Reason::InvalidSsoDefaultConnectionId, rule);
    None
}

fn connections(api: &Api, violations: &mut Violations, sent: Vec<String>) -> Vec<String> {
    let rule = ListRule {
        field: "sso_jit_provisioning_allowed_connections",
        reason: Reason::InvalidConnectionForJitProvisioning,
        things: "connections",
        otherwise: "is not the id of an SSO connection of this environment",
    };
    foreign_ids(violations, &rule, sent, |id| is_connection(api, id))
}

/// Whether a text has the form of a connection's id.
fn is_connection(api: &Api, text: &str) -> bool {
    SamlConnectionId::parse(text, api.environment).is_ok()
        || OidcConnectionId::parse(text, api.environment).is_ok()
        || ExternalConnectionId::parse(text, api.environment).is_ok()
}

/// Notes the broken rules between fields, except where one of the fields could not be read.
pub(super) fn keep_meaningful(violations: &mut Violations, mut broken: Vec<Violation>) {
    broken.retain(|violation| {
        let (list, own) = (list_behind(violation.reason), root(&violation.field));
        let behind = list.map_or(ENTRY.to_vec(), |list| vec![own, list]);
        !behind.iter().any(|field| violations.concern(field))
    });
    violations.list.append(&mut broken);
}

/// The fields that decide together whether anybody can join.
const ENTRY: [&str; 3] = [SSO_JIT.0, EMAIL_JIT.0, INVITES.0];

/// The list without which the field at fault may not be RESTRICTED, if that is the rule.
fn list_behind(rule: Reason) -> Option<&'static str> {
    match rule {
        Reason::InvalidRestrictedEmailSetting => Some(ALLOWED.field),
        Reason::AllowedAuthMethodsRequiredForRestricted => Some(ALLOWED_AUTH_METHODS.0),
        Reason::AllowedMfaMethodsRequiredForRestricted => Some(ALLOWED_MFA_METHODS.0),
        Reason::InvalidRestrictedOauthTenantsSetting => Some("allowed_oauth_tenants"),
        _ => None,
    }
}

/// Reads proto enums.
struct Reader<'a> {
    violations: &'a mut Violations,
    sent: &'a Sent,
}

impl Reader<'_> {
    fn choice<D, P>(&mut self, (field, reason): Rule, number: Option<i32>) -> Option<D>
    where
        (D, PhantomData<P>): ProtoEnum,
    {
        self.sent.refuse_cleared(self.violations, field, reason);
        let read = <(D, PhantomData<P>)>::from_number(number?);
        if let Ok(value) = read {
            return value.map(|(value, _)| value);
        }
        let mut violation = Violation::new(field, reason, "is not a known value");
        // The published name of these two is longer than a reason may be.
        if field == EMAIL_JIT.0 || field == TENANT_JIT.0 {
            violation =
                violation.with("error_type", format!("invalid_organization_auth_factor_setting_for_{field}"));
        }
        self.violations.list.push(violation);
        None
    }
}

/// Reads a list of published values, none twice.
fn words<T: TryFrom<String> + PartialEq>(
    violations: &mut Violations,
    (field, reason): Rule,
    words: Vec<String>,
) -> Vec<T> {
    let mut list = Vec::new();
    if words.len() > MAX_LIST {
        violations.add(field, reason, format!("has more than {MAX_LIST} entries"));
        return list;
    }
    for (index, word) in words.into_iter().enumerate() {
        match T::try_from(word) {
            Ok(value) if list.contains(&value) => {
                violations.add(format!("{field}[{index}]"), reason, "is listed twice");
            }
            Ok(value) => list.push(value),
            Err(_) => violations.add(format!("{field}[{index}]"), reason, "is not a known value"),
        }
    }
    list
}

/// A list of domains, and what it is refused with.
struct DomainRules {
    field: &'static str,
    invalid: Reason,
    duplicate: Reason,
    too_common: Reason,
}

const ALLOWED: DomainRules = DomainRules {
    field: "email_allowed_domains",
    invalid: Reason::OrganizationSettingsInvalidDomain,
    duplicate: Reason::OrganizationSettingsDuplicateDomain,
    too_common: Reason::OrganizationSettingsDomainTooCommon,
};

const CLAIMED: DomainRules = DomainRules {
    field: "claimed_email_domains",
    invalid: Reason::OrganizationSettingsInvalidClaimedDomain,
    duplicate: Reason::OrganizationSettingsDuplicateClaimedDomain,
    too_common: Reason::OrganizationSettingsClaimedDomainTooCommon,
};

fn domains(
    api: &Api,
    violations: &mut Violations,
    rules: &DomainRules,
    texts: &[String],
) -> Vec<EmailDomain> {
    let DomainRules { field, invalid, duplicate, too_common } = *rules;
    if texts.len() > MAX_LIST {
        violations.add(field, Reason::TooManyDomains, format!("has more than {MAX_LIST} domains"));
        return Vec::new();
    }
    let mut list: Vec<EmailDomain> = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let path = || format!("{field}[{index}]");
        let Some(domain) = violations.check(path(), invalid, EmailDomain::parse(text)) else {
            continue;
        };
        if domain.is_public_suffix() {
            violations.add(path(), invalid, "is a public suffix, under which anybody can register");
        } else if api.common_domains.contains(&domain) {
            violations.add(path(), too_common, "belongs to a common e-mail provider");
        } else if domain.is_disposable() {
            let rule = "belongs to a provider of disposable addresses";
            violations.add(path(), Reason::OrganizationSettingsDisposableDomain, rule);
        } else if list.contains(&domain) {
            violations.add(path(), duplicate, "is listed twice");
        } else {
            list.push(domain);
        }
    }
    list
}

fn role_assignments(
    api: &Api,
    violations: &mut Violations,
    sent: Vec<pb::EmailImplicitRoleAssignment>,
) -> Vec<RoleAssignment> {
    const FIELD: &str = "rbac_email_implicit_role_assignments";
    if sent.len() > MAX_LIST {
        violations.add(
            FIELD,
            Reason::InvalidRbacRoleAssignment,
            format!("has more than {MAX_LIST} assignments"),
        );
        return Vec::new();
    }
    let mut list = Vec::new();
    for (index, assignment) in sent.into_iter().enumerate() {
        let path = |field: &str| format!("{FIELD}[{index}].{field}");
        let domain = violations.check(
            path("domain"),
            Reason::RbacInvalidDomain,
            EmailDomain::parse(&assignment.domain),
        );
        let domain = domain.filter(|domain| {
            if domain.is_public_suffix() {
                violations.add(
                    path("domain"),
                    Reason::RbacInvalidDomain,
                    "is a public suffix, under which anybody can register",
                );
            } else if api.common_domains.contains(domain) {
                violations.add(
                    path("domain"),
                    Reason::RbacDomainTooCommon,
                    "belongs to a common e-mail provider",
                );
            } else {
                return true;
            }
            false
        });
        let role_id = role(api, violations, path("role_id"), assignment.role_id);
        let (Some(domain), Some(role_id)) = (domain, role_id) else { continue };
        let assignment = RoleAssignment { domain, role_id };
        if list.contains(&assignment) {
            violations.add(format!("{FIELD}[{index}]"), Reason::InvalidRbacRoleAssignment, "is listed twice");
        } else {
            list.push(assignment);
        }
    }
    list
}

fn tenants(violations: &mut Violations, sent: Struct) -> Vec<OauthTenant> {
    const FIELD: &str = "allowed_oauth_tenants";
    const FORMAT: Reason = Reason::InvalidOauthAllowedTenantsFormat;
    let mut by_provider = Vec::new();
    for (name, value) in sent.fields {
        let Ok(provider) = TenantProvider::try_from(name) else {
            let rule = "has a provider other than slack, hubspot and github";
            violations.add(FIELD, Reason::InvalidOauthProvider, rule);
            return Vec::new();
        };
        let path = format!("{FIELD}.{}", provider.as_str());
        match value.kind {
            Some(Kind::ListValue(tenants)) => by_provider.push((path, provider, tenants.values)),
            _ => violations.add(path, FORMAT, "is not a list of tenant ids"),
        }
    }
    if by_provider.iter().map(|(.., tenants)| tenants.len()).sum::<usize>() > MAX_LIST {
        violations.add(FIELD, FORMAT, format!("has more than {MAX_LIST} tenants"));
        return Vec::new();
    }
    let mut list = Vec::new();
    for (path, provider, tenants) in by_provider {
        for (index, tenant) in tenants.into_iter().enumerate() {
            let path = format!("{path}[{index}]");
            match tenant.kind {
                Some(Kind::StringValue(tenant_id)) if is_foreign_id(&tenant_id) => {
                    let tenant = OauthTenant { provider, tenant_id };
                    if list.contains(&tenant) {
                        violations.add(path, FORMAT, "is listed twice");
                    } else {
                        list.push(tenant);
                    }
                }
                _ => {
                    violations.add(
                        path,
                        FORMAT,
                        format!("is not a text of 1 to {MAX_FOREIGN_ID} characters"),
                    );
                }
            }
        }
    }
    list
}

/// Whether a text can be an identifier that somebody else has given.
pub(super) fn is_foreign_id(text: &str) -> bool {
    (1..=MAX_FOREIGN_ID).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

fn apps(api: &Api, violations: &mut Violations, field: &'static str, sent: Vec<String>) -> Vec<String> {
    let rule = ListRule {
        field,
        reason: Reason::InvalidArgument,
        things: "apps",
        otherwise: "is not the id of a connected app of this environment",
    };
    foreign_ids(violations, &rule, sent, |app| ConnectedAppId::parse(app, api.environment).is_ok())
}

/// A list of ids of what is managed elsewhere, and what it is refused with.
struct ListRule {
    field: &'static str,
    reason: Reason,
    things: &'static str,
    otherwise: &'static str,
}

fn foreign_ids(
    violations: &mut Violations,
    rule: &ListRule,
    sent: Vec<String>,
    acceptable: impl Fn(&str) -> bool,
) -> Vec<String> {
    let ListRule { field, reason, things, otherwise } = *rule;
    if sent.len() > MAX_LIST {
        violations.add(field, reason, format!("has more than {MAX_LIST} {things}"));
        return Vec::new();
    }
    for (index, id) in sent.iter().enumerate() {
        if !acceptable(id) {
            violations.add(format!("{field}[{index}]"), reason, otherwise);
        } else if sent[..index].contains(id) {
            violations.add(format!("{field}[{index}]"), reason, "is listed twice");
        }
    }
    sent
}

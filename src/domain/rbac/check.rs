//! The rules that the roles and resources of a policy file keep.

use super::{
    EVERY_ACTION, MAX_ACTIONS, MAX_DESCRIPTION, MAX_ID, MAX_RESOURCES, MAX_ROLES, Permission, Resource, Role,
};
use crate::domain::member::{ADMIN_ROLE, MEMBER_ROLE};

/// What a file's own resources may not begin with.
const RESERVED_RESOURCES: &str = "stytch";

/// What a file's own roles may not begin with.
const RESERVED_ROLES: &str = "stytch_";

/// What an id may have beside letters and digits.
const MARKS: &str = r#""_", "-", "." and ":""#;

/// What is wrong with a policy, and where. For its operator: names what the file names.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// Not JSON, or not of the form of a policy; the cause has line and column.
    #[error("it has not the form of a policy")]
    Form(#[from] serde_json::Error),
    /// More roles than [`MAX_ROLES`].
    #[error("there are more than {MAX_ROLES} roles")]
    TooManyRoles,
    /// More resources than [`MAX_RESOURCES`].
    #[error("there are more than {MAX_RESOURCES} resources")]
    TooManyResources,
    /// A resource breaks a rule.
    #[error("the resource {resource_id:?} {rule}")]
    Resource {
        /// The resource.
        resource_id: String,
        /// The rule.
        rule: ResourceRule,
    },
    /// A role breaks a rule.
    #[error("the role {role_id:?} {rule}")]
    Role {
        /// The role.
        role_id: String,
        /// The rule.
        rule: RoleRule,
    },
    /// A permission breaks a rule.
    #[error("the permission of the role {role_id:?} on {resource_id:?} {rule}")]
    Permission {
        /// The role that has the permission.
        role_id: String,
        /// The resource that the permission names.
        resource_id: String,
        /// The rule.
        rule: PermissionRule,
    },
}

/// A rule that a resource breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResourceRule {
    /// Its id has a wrong length or character.
    #[error("has an id that is not 1 to {MAX_ID} ASCII letters, digits, {MARKS}")]
    Id,
    /// Its id looks like that of a default resource, none of which can be redefined.
    #[error("has an id that begins with \"{RESERVED_RESOURCES}\", as only default resources have")]
    Reserved,
    /// Another has the same id.
    #[error("is listed twice")]
    Duplicate,
    /// Its description is too long.
    #[error("has a description of more than {MAX_DESCRIPTION} characters")]
    Description,
    /// Nothing can be done with it.
    #[error("has no actions")]
    NoActions,
    /// More actions than [`MAX_ACTIONS`].
    #[error("has more than {MAX_ACTIONS} actions")]
    TooManyActions,
    /// An action has a wrong length or character.
    #[error("has an action, {0:?}, that is not 1 to {MAX_ID} ASCII letters, digits, {MARKS}")]
    Action(String),
    /// An action stands there more than once.
    #[error("has the action {0:?} twice")]
    DuplicateAction(String),
}

/// A rule that a role breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoleRule {
    /// Its id has a wrong length or character.
    #[error("has an id that is not 1 to {MAX_ID} ASCII letters, digits, {MARKS}")]
    Id,
    /// Its id looks like that of a default role, and is none.
    #[error("has an id that begins with \"{RESERVED_ROLES}\" and is neither {MEMBER_ROLE} nor {ADMIN_ROLE}")]
    Reserved,
    /// Another has the same id.
    #[error("is listed twice")]
    Duplicate,
    /// Its description is too long.
    #[error("has a description of more than {MAX_DESCRIPTION} characters")]
    Description,
}

/// A rule that a permission breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PermissionRule {
    /// Neither a default resource nor one of the file.
    #[error("is on a resource that is not known")]
    UnknownResource,
    /// The role has another on the same resource.
    #[error("is listed twice")]
    Duplicate,
    /// It permits nothing.
    #[error("has no actions")]
    NoActions,
    /// [`EVERY_ACTION`] and something beside it.
    #[error("has \"{EVERY_ACTION}\" beside other actions")]
    Wildcard,
    /// The resource has no such action.
    #[error("has an action, {0:?}, that the resource does not have")]
    UnknownAction(String),
    /// An action stands there more than once.
    #[error("has the action {0:?} twice")]
    DuplicateAction(String),
}

/// Checks the resources of a file.
///
/// # Errors
/// [`PolicyError`]: the first rule broken.
pub(super) fn resources(resources: &[Resource]) -> Result<(), PolicyError> {
    if resources.len() > MAX_RESOURCES {
        return Err(PolicyError::TooManyResources);
    }
    for (index, resource) in resources.iter().enumerate() {
        resource_among(resource, &resources[..index])
            .map_err(|rule| PolicyError::Resource { resource_id: resource.resource_id.clone(), rule })?;
    }
    Ok(())
}

/// Checks the roles of a file. `resources` are the default ones and those of the file.
///
/// # Errors
/// [`PolicyError`]: the first rule broken.
pub(super) fn roles(roles: &[Role], resources: &[Resource]) -> Result<(), PolicyError> {
    if roles.len() > MAX_ROLES {
        return Err(PolicyError::TooManyRoles);
    }
    for (index, role) in roles.iter().enumerate() {
        let role_id = || role.role_id.clone();
        role_among(role, &roles[..index]).map_err(|rule| PolicyError::Role { role_id: role_id(), rule })?;
        for (index, permission) in role.permissions.iter().enumerate() {
            permission_among(permission, &role.permissions[..index], resources).map_err(|rule| {
                let resource_id = permission.resource_id.clone();
                PolicyError::Permission { role_id: role_id(), resource_id, rule }
            })?;
        }
    }
    Ok(())
}

fn resource_among(resource: &Resource, earlier: &[Resource]) -> Result<(), ResourceRule> {
    if !is_id(&resource.resource_id) {
        return Err(ResourceRule::Id);
    }
    if begins_with(&resource.resource_id, RESERVED_RESOURCES) {
        return Err(ResourceRule::Reserved);
    }
    if earlier.iter().any(|other| other.resource_id == resource.resource_id) {
        return Err(ResourceRule::Duplicate);
    }
    if is_too_long(&resource.description) {
        return Err(ResourceRule::Description);
    }
    if resource.actions.is_empty() {
        return Err(ResourceRule::NoActions);
    }
    if resource.actions.len() > MAX_ACTIONS {
        return Err(ResourceRule::TooManyActions);
    }
    if let Some(action) = resource.actions.iter().find(|action| !is_id(action)) {
        return Err(ResourceRule::Action(action.clone()));
    }
    repeated(&resource.actions).map_or(Ok(()), |action| Err(ResourceRule::DuplicateAction(action)))
}

fn role_among(role: &Role, earlier: &[Role]) -> Result<(), RoleRule> {
    let default = [MEMBER_ROLE, ADMIN_ROLE].contains(&role.role_id.as_str());
    if !is_id(&role.role_id) {
        Err(RoleRule::Id)
    } else if begins_with(&role.role_id, RESERVED_ROLES) && !default {
        Err(RoleRule::Reserved)
    } else if earlier.iter().any(|other| other.role_id == role.role_id) {
        Err(RoleRule::Duplicate)
    } else if is_too_long(&role.description) {
        Err(RoleRule::Description)
    } else {
        Ok(())
    }
}

fn permission_among(
    permission: &Permission,
    earlier: &[Permission],
    resources: &[Resource],
) -> Result<(), PermissionRule> {
    let Permission { resource_id, actions } = permission;
    let Some(resource) = resources.iter().find(|resource| resource.resource_id == *resource_id) else {
        return Err(PermissionRule::UnknownResource);
    };
    if earlier.iter().any(|other| other.resource_id == *resource_id) {
        return Err(PermissionRule::Duplicate);
    }
    let is_every = |action: &String| action == EVERY_ACTION;
    match actions.as_slice() {
        [] => return Err(PermissionRule::NoActions),
        [action] if is_every(action) => return Ok(()),
        actions if actions.iter().any(is_every) => return Err(PermissionRule::Wildcard),
        _ => {}
    }
    if let Some(action) = actions.iter().find(|action| !resource.actions.contains(action)) {
        return Err(PermissionRule::UnknownAction(action.clone()));
    }
    repeated(actions).map_or(Ok(()), |action| Err(PermissionRule::DuplicateAction(action)))
}

/// Whether a text can be the id of a role or resource, or an action: 1 to [`MAX_ID`] ASCII letters, digits,
/// `_`, `-`, `.` and `:`.
#[must_use]
pub fn is_id(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
    (1..=MAX_ID).contains(&text.len()) && text.bytes().all(is_allowed)
}

fn is_too_long(description: &str) -> bool {
    description.chars().count() > MAX_DESCRIPTION
}

/// The first entry that stands there before.
fn repeated(list: &[String]) -> Option<String> {
    let mut entries = list.iter().enumerate();
    entries.find(|(index, entry)| list[..*index].contains(entry)).map(|(_, entry)| entry.clone())
}

/// Without regard to case: nobody is to take one for the other.
fn begins_with(id: &str, reserved: &str) -> bool {
    id.get(..reserved.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(reserved))
}

#[cfg(test)]
mod tests;

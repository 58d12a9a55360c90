//! The roles that members can hold, and what each permits: the default ones and those of the
//! operator's policy file.

mod check;
mod defaults;

use serde::Deserialize;

pub use check::{PermissionRule, PolicyError, ResourceRule, RoleRule, is_id};

use super::member::MEMBER_ROLE;

/// The most characters of a role's or resource's id, and of an action.
pub const MAX_ID: usize = 128;

/// The most characters of a description.
pub const MAX_DESCRIPTION: usize = 256;

/// The most roles that a policy may list.
pub const MAX_ROLES: usize = 100;

/// The most resources that a policy may list.
pub const MAX_RESOURCES: usize = 100;

/// The most actions that a resource may have.
pub const MAX_ACTIONS: usize = 100;

/// The action that stands for every action of a resource.
pub const EVERY_ACTION: &str = "*";

/// What members who hold it may do.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// 1 to [`MAX_ID`] ASCII letters, digits, `_`, `-`, `.` and `:`.
    pub role_id: String,
    /// For people; at most [`MAX_DESCRIPTION`] characters, perhaps none.
    #[serde(default)]
    pub description: String,
    /// At most one for each resource. There may be none: a role can mean something by its name alone.
    pub permissions: Vec<Permission>,
}

/// What a role may do with one resource.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Permission {
    /// The resource.
    pub resource_id: String,
    /// Some of the resource's actions, or [`EVERY_ACTION`] alone. Never empty.
    pub actions: Vec<String>,
}

/// Something that permissions are about.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// Written like a role's id.
    pub resource_id: String,
    /// For people; at most [`MAX_DESCRIPTION`] characters, perhaps none.
    #[serde(default)]
    pub description: String,
    /// What can be done with it: 1 to [`MAX_ACTIONS`], each written like a role's id.
    pub actions: Vec<String>,
}

/// Every role and resource of a deployment. By default the default ones, which each policy has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RbacPolicy {
    roles: Vec<Role>,
    resources: Vec<Resource>,
}

/// Why a role can't be assigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoleError {
    /// Every member holds it already, and nobody can lose it.
    #[error("is everybody's role")]
    Everybodys,
    /// The policy has no such role.
    #[error("is not a known role")]
    Unknown,
}

/// A policy as its file has it: without what every policy has.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    #[serde(default)]
    roles: Vec<Role>,
    #[serde(default)]
    resources: Vec<Resource>,
}

impl RbacPolicy {
    /// Reads the JSON of a policy, `{"roles": [...], "resources": [...]}`, either of which may be
    /// missing, and adds it to the default one. A default role may be listed: its permissions are
    /// added to those it has, and a description takes the place of its own.
    ///
    /// # Errors
    /// [`PolicyError`]: the first rule broken, resources before roles, each in their order.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let Listed { roles, resources } = serde_json::from_str(text)?;
        let mut policy = Self::default();
        check::resources(&resources)?;
        policy.resources.extend(resources);
        check::roles(&roles, &policy.resources)?;
        for role in roles {
            policy.add(role);
        }
        Ok(policy)
    }

    /// Every role: the default ones, then those of the file in its order.
    #[must_use]
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// Every resource: the default ones, then those of the file in its order.
    #[must_use]
    pub fn resources(&self) -> &[Resource] {
        &self.resources
    }

    /// Whether a role can be given to somebody. Ids are compared as they are written.
    ///
    /// # Errors
    /// [`RoleError`].
    pub fn assignable(&self, role_id: &str) -> Result<(), RoleError> {
        if role_id == MEMBER_ROLE {
            Err(RoleError::Everybodys)
        } else if self.roles.iter().any(|role| role.role_id == role_id) {
            Ok(())
        } else {
            Err(RoleError::Unknown)
        }
    }

    /// Which of these roles permit the action on the resource. A role that the policy does not have, or
    /// has no more, permits nothing.
    #[must_use]
    pub fn granting<'a>(&self, held: &'a [String], resource_id: &str, action: &str) -> Vec<&'a str> {
        let permits = |role: &Role| {
            role.permissions.iter().any(|permission| {
                permission.resource_id == resource_id
                    && permission.actions.iter().any(|own| own == action || own == EVERY_ACTION)
            })
        };
        let grants = |held: &&String| self.roles.iter().any(|role| role.role_id == **held && permits(role));
        held.iter().filter(grants).map(String::as_str).collect()
    }

    /// Adds a checked role. Default permissions are for every action, so one that is listed for the
    /// same resource adds nothing.
    fn add(&mut self, listed: Role) {
        let Some(role) = self.roles.iter_mut().find(|role| role.role_id == listed.role_id) else {
            self.roles.push(listed);
            return;
        };
        if !listed.description.is_empty() {
            role.description = listed.description;
        }
        for permission in listed.permissions {
            if role.permissions.iter().all(|own| own.resource_id != permission.resource_id) {
                role.permissions.push(permission);
            }
        }
    }
}

#[cfg(test)]
mod tests;

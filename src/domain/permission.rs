//! What callers may do.

use std::fmt;

/// One kind of calls. Which calls it covers is written in the table of `api/access`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Permission {
    /// Reads organizations and members.
    Read,
    /// Changes organizations and members.
    Write,
    /// Verifies members' sessions: what every backend needs.
    Verify,
    /// Spends tokens and switches sessions on behalf of a person.
    Discover,
    /// Vouches for people: whoever holds it can log in as anybody.
    Vouch,
    /// Everything.
    Admin,
}

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 6] =
        [Self::Read, Self::Write, Self::Verify, Self::Discover, Self::Vouch, Self::Admin];

    /// The word that settings and messages use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Verify => "verify",
            Self::Discover => "discover",
            Self::Vouch => "vouch",
            Self::Admin => "admin",
        }
    }
}

/// Some permissions.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Permissions(u8);

impl Permissions {
    /// All that there are.
    #[must_use]
    pub fn all() -> Self {
        Permission::ALL.into_iter().collect()
    }

    /// Whether one of these is enough for a call that needs `permission`.
    #[must_use]
    pub fn allow(self, permission: Permission) -> bool {
        self.has(permission) || self.has(Permission::Admin)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn has(self, permission: Permission) -> bool {
        self.0 & (1 << permission as u8) != 0
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self(permissions.into_iter().fold(0, |bits, permission| bits | (1 << permission as u8)))
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = Permission::ALL.into_iter().filter(|permission| self.has(*permission));
        formatter.debug_set().entries(held).finish()
    }
}

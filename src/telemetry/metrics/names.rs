//! What gauges there are, and the values of labels.

/// Something that is measured when it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gauge {
    /// Calls that are worked on.
    CallsActive,
    /// How many may be.
    CallsMax,
    /// Connections to the database, by pool and state.
    PoolConnections,
    /// How many there may be, by pool.
    PoolMax,
    /// Connections of clients, by port.
    Connections,
    /// How many there may be, by port.
    ConnectionsMax,
    /// Whether what is needed answers, by name.
    DependencyUp,
    /// The last event of the outbox.
    EventPosition,
    /// Since when the key signs that does.
    SigningKeyAge,
    /// When the next one is due.
    SigningKeyRemaining,
    /// When the keys were read.
    SigningKeysReadAge,
    /// Whether the callers file can be used.
    CallersFileValid,
    /// When the keys of callers' issuers were read, by issuer.
    IssuerKeysAge,
}

impl Gauge {
    /// The name, the unit, and what it is.
    pub(super) fn describe(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::CallsActive => ("vestibule.calls.active", "{call}", "Calls that are worked on"),
            Self::CallsMax => ("vestibule.calls.max", "{call}", "How many calls are worked on at most"),
            Self::PoolConnections => {
                ("db.client.connection.count", "{connection}", "Connections to the database that there are")
            }
            Self::PoolMax => {
                ("db.client.connection.max", "{connection}", "Connections to the database that there may be")
            }
            Self::Connections => ("vestibule.connections", "{connection}", "Connections of clients"),
            Self::ConnectionsMax => (
                "vestibule.connections.max",
                "{connection}",
                "Connections of clients that there may be, to each port",
            ),
            Self::DependencyUp => {
                ("vestibule.dependency.up", "", "Whether what is needed answered when it was last asked")
            }
            Self::EventPosition => {
                ("vestibule.event.position", "", "The position of the newest event in the outbox")
            }
            Self::SigningKeyAge => {
                ("vestibule.signing_key.age", "s", "Since when the key signs JWTs that does")
            }
            Self::SigningKeyRemaining => (
                "vestibule.signing_key.remaining",
                "s",
                "How long until the next key is due to sign JWTs; negative when it is overdue",
            ),
            Self::SigningKeysReadAge => (
                "vestibule.signing_keys.read_age",
                "s",
                "How long ago the signing keys were read from the database",
            ),
            Self::CallersFileValid => (
                "vestibule.callers_file.valid",
                "",
                "Whether the callers file could be used when it was last read",
            ),
            Self::IssuerKeysAge => (
                "vestibule.issuer.keys_age",
                "s",
                "How long ago the JWKS of an issuer of callers' JWTs was read",
            ),
        }
    }
}

/// Defines the values of a label.
macro_rules! label {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$value_doc])* $value,)* }

        impl $name {
            pub(super) const ALL: &[Self] = &[$(Self::$value,)*];

            pub(super) fn as_str(self) -> &'static str {
                match self { $(Self::$value => $text,)* }
            }
        }
    };
}

label! {
    /// Why a call is sent away.
    Shed {
        /// Too many others are worked on.
        Calls = "calls",
        /// Too many other searches are.
        Searches = "searches",
        /// The messages of others take up the memory that there is for messages.
        Memory = "memory",
    }
}

label! {
    /// Which rate limit a call meets.
    Limit {
        /// That of its caller.
        Calls = "calls",
        /// That of tokens for an e-mail address.
        Vouches = "vouches",
        /// That of failed attempts with a token.
        FailedSpends = "failed_spends",
    }
}

label! {
    /// What became of an intermediate session token.
    Transition {
        /// It was made.
        Created = "created",
        /// A call holds it.
        Claimed = "claimed",
        /// That call has given it back.
        Released = "released",
        /// That call has given it back, and it counts as a failed attempt.
        Failed = "failed",
        /// It can only finish one login from now on.
        Bound = "bound",
        /// It has bought a session.
        Spent = "spent",
        /// Nobody knows what it has bought, until it is used again.
        Unknown = "unknown",
        /// It was ended.
        Revoked = "revoked",
    }
}

label! {
    /// What tells a call that another was faster.
    Decider {
        /// The keeper: that call still holds the token.
        Claim = "claim",
        /// The database: what the token could buy was bought.
        Receipt = "receipt",
    }
}

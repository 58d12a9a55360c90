//! How session JWTs are signed.

/// A signature algorithm (RFC 7518, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum JwtAlgorithm {
    /// ECDSA on P-256: small and quick.
    #[value(name = "ES256")]
    Es256,
    /// RSA of 2048 bits: for clients that know nothing else. Signing costs some thirty times as much.
    #[value(name = "RS256")]
    Rs256,
}

impl JwtAlgorithm {
    /// The algorithm of a registered name, if it is one of these.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Es256, Self::Rs256].into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    /// The registered name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }
}

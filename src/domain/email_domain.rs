//! Domains of e-mail addresses: one spelling for each, and what is known of them.
//!
//! Every comparison in the service is between two [`EmailDomain`]s, so a look-alike spelling is
//! folded or refused here once, and equality is of whole names, never of endings.

use std::collections::HashSet;
use std::fmt;
use std::iter;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use serde::{Deserialize, Serialize};

/// Octets of the longest name, without its trailing dot (RFC 1035, 2.3.4).
const LONGEST_NAME: usize = 253;

/// Octets of the longest label (RFC 1035, 2.3.4).
const LONGEST_LABEL: usize = 63;

/// Octets beyond which an input is refused unread: the longest name and its trailing dot, each
/// octet of it spelt with a character of four.
const LONGEST_INPUT: usize = 4 * (LONGEST_NAME + 1);

/// `Default_Ignorable_Code_Point` of the Unicode character database: zero-width characters, bidi
/// controls, variation selectors, fillers and tags. UTS-46 drops many of them silently.
const IGNORABLE: [RangeInclusive<char>; 17] = [
    '\u{AD}'..='\u{AD}',
    '\u{34F}'..='\u{34F}',
    '\u{61C}'..='\u{61C}',
    '\u{115F}'..='\u{1160}',
    '\u{17B4}'..='\u{17B5}',
    '\u{180B}'..='\u{180F}',
    '\u{200B}'..='\u{200F}',
    '\u{202A}'..='\u{202E}',
    '\u{2060}'..='\u{206F}',
    '\u{3164}'..='\u{3164}',
    '\u{FE00}'..='\u{FE0F}',
    '\u{FEFF}'..='\u{FEFF}',
    '\u{FFA0}'..='\u{FFA0}',
    '\u{FFF0}'..='\u{FFF8}',
    '\u{1BCA0}'..='\u{1BCA3}',
    '\u{1D173}'..='\u{1D17A}',
    '\u{E0000}'..='\u{E0FFF}',
];

/// Where the letters of Latin, Greek and Cyrillic stand, by the `Script` property of Unicode. Only
/// what survives UTS-46 matters, so compatibility forms (full-width, mathematical) are absent.
const SCRIPTS: [(Script, RangeInclusive<char>); 26] = [
    (Script::Latin, '\u{0}'..='\u{2AF}'),
    (Script::Latin, '\u{1D00}'..='\u{1D25}'),
    (Script::Latin, '\u{1D2C}'..='\u{1D5C}'),
    (Script::Latin, '\u{1D6B}'..='\u{1D77}'),
    (Script::Latin, '\u{1D79}'..='\u{1D9A}'),
    (Script::Latin, '\u{1E00}'..='\u{1EFF}'),
    (Script::Latin, '\u{214E}'..='\u{214E}'),
    (Script::Latin, '\u{2180}'..='\u{2188}'),
    (Script::Latin, '\u{2C60}'..='\u{2C7F}'),
    (Script::Latin, '\u{A722}'..='\u{A7FF}'),
    (Script::Latin, '\u{AB30}'..='\u{AB64}'),
    (Script::Latin, '\u{AB66}'..='\u{AB68}'),
    (Script::Latin, '\u{10780}'..='\u{107BA}'),
    (Script::Latin, '\u{1DF00}'..='\u{1DF2A}'),
    (Script::Greek, '\u{370}'..='\u{3E1}'),
    (Script::Greek, '\u{3F0}'..='\u{3FF}'),
    (Script::Greek, '\u{1D26}'..='\u{1D2A}'),
    (Script::Greek, '\u{1F00}'..='\u{1FFF}'),
    (Script::Greek, '\u{AB65}'..='\u{AB65}'),
    (Script::Greek, '\u{10140}'..='\u{1018E}'),
    (Script::Cyrillic, '\u{400}'..='\u{52F}'),
    (Script::Cyrillic, '\u{1C80}'..='\u{1C8F}'),
    (Script::Cyrillic, '\u{1D2B}'..='\u{1D2B}'),
    (Script::Cyrillic, '\u{2DE0}'..='\u{2DFF}'),
    (Script::Cyrillic, '\u{A640}'..='\u{A69F}'),
    (Script::Cyrillic, '\u{1E030}'..='\u{1E08F}'),
];

/// The published labels.
const COMMON_LABELS: [&str; 30] = [
    "gmail",
    "aol",
    "yahoo",
    "icloud",
    "hotmail",
    "msn",
    "comcast",
    "live",
    "outlook",
    "att",
    "earthlink",
    "me",
    "mac",
    "sbcglobal",
    "verizon",
    "ig",
    "mail",
    "hey",
    "laposte",
    "wanadoo",
    "googlemail",
    "orange",
    "rediffmail",
    "uol",
    "bol",
    "free",
    "gmx",
    "yandex",
    "ymail",
    "libero",
];

/// A set because `mailchecker::is_valid` walks its 56 000 names on every call (170 µs measured,
/// against 12 ns here).
static DISPOSABLE: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| mailchecker::blacklist().into_iter().collect());

/// Scripts whose letters pass for each other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Script {
    Latin,
    Greek,
    Cyrillic,
}

/// Why a text is not an [`EmailDomain`]. No variant carries the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmailDomainError {
    /// Not a name of two or more labels by UTS-46 with the STD3 and hyphen rules.
    #[error("must be a domain name of two or more labels made of letters, digits and hyphens")]
    Malformed,
    /// The name or one of its labels is longer than DNS allows.
    #[error("must be at most {LONGEST_NAME} octets long, with labels of at most {LONGEST_LABEL} octets")]
    TooLong,
    /// The last label is a number, as in an IP address.
    #[error("must be a domain name and not an IP address")]
    EndsInNumber,
    /// White space, a control character or an invisible one.
    #[error("must not contain spaces, control characters or invisible characters")]
    Hidden,
    /// One label holds letters of two scripts that pass for each other.
    #[error("must not mix Latin, Greek and Cyrillic letters in one label")]
    MixedScripts,
}

/// The domain of an e-mail address in its one spelling: A-labels, lower case, no trailing dot.
///
/// At least two labels of 1 to 63 octets, at most 253 octets in all, letters, digits and hyphens
/// only, and not an IP address. Two domains are the same when their values are equal; a sub-domain
/// is another domain. Serialised as its text and read back unchecked, since only a parsed value
/// is ever stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EmailDomain(String);

impl EmailDomain {
    /// Folds a domain to its one spelling, then judges it (attacks D4 to D7).
    ///
    /// Upper case, full-width letters and dots, and Unicode labels become what UTS-46
    /// (non-transitional, STD3 rules, hyphen checks) makes of them; one trailing dot is dropped.
    /// Nothing is trimmed. A public suffix parses: see [`EmailDomain::is_public_suffix`].
    ///
    /// # Errors
    ///
    /// The first rule broken, as the variants of [`EmailDomainError`] tell.
    pub fn parse(input: &str) -> Result<Self, EmailDomainError> {
        if input.len() > LONGEST_INPUT {
            return Err(EmailDomainError::TooLong);
        }
        if input.chars().any(is_hidden) {
            return Err(EmailDomainError::Hidden);
        }
        let ascii = Uts46::new()
            .to_ascii(input.as_bytes(), AsciiDenyList::STD3, Hyphens::Check, DnsLength::Ignore)
            .map_err(|_| EmailDomainError::Malformed)?;
        let name = ascii.strip_suffix('.').unwrap_or(&ascii);
        judge_labels(name)?;
        judge_letters(name)?;
        Ok(Self(name.to_owned()))
    }

    /// The A-label form, fit for comparing, storing and DNS.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether strangers register names directly below it (`co.uk`, `github.io`).
    ///
    /// By both sections of the Public Suffix List; below an unlisted top level, that top level
    /// alone is the suffix.
    #[must_use]
    pub fn is_public_suffix(&self) -> bool {
        psl::suffix_str(&self.0) == Some(self.as_str())
    }

    /// The label just left of the public suffix: `acme` of `mail.acme.co.uk`.
    ///
    /// `None` when the domain is itself a public suffix.
    #[must_use]
    pub fn label_left_of_suffix(&self) -> Option<&str> {
        let registrable = psl::domain_str(&self.0)?;
        registrable.split_once('.').map(|(label, _)| label)
    }

    /// Whether it, or a domain above it, is in `mailchecker`'s list of disposable providers.
    #[must_use]
    pub fn is_disposable(&self) -> bool {
        iter::successors(Some(self.as_str()), |name| name.split_once('.').map(|(_, parent)| parent))
            .any(|name| DISPOSABLE.contains(name))
    }
}

impl fmt::Display for EmailDomain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Labels of providers that give addresses to anyone, so that no organization owns their domains
///. The default is the published list of 30.
#[derive(Clone, Debug)]
pub struct CommonDomains {
    labels: HashSet<String>,
}

impl CommonDomains {
    /// A list of the operator's own: labels without top level, ASCII case ignored, a label outside
    /// ASCII as its A-label. An empty list makes no domain common.
    #[must_use]
    pub fn new(labels: impl IntoIterator<Item = String>) -> Self {
        let labels = labels.into_iter().map(|label| label.to_ascii_lowercase()).collect();
        Self { labels }
    }

    /// Whether the label just left of the domain's public suffix is listed: `yahoo.co.uk`,
    /// `live.fr` and sub-domains of such.
    #[must_use]
    pub fn contains(&self, domain: &EmailDomain) -> bool {
        domain.label_left_of_suffix().is_some_and(|label| self.labels.contains(label))
    }
}

impl Default for CommonDomains {
    fn default() -> Self {
        Self::new(COMMON_LABELS.map(str::to_owned))
    }
}

fn judge_labels(name: &str) -> Result<(), EmailDomainError> {
    let (_, top) = name.rsplit_once('.').ok_or(EmailDomainError::Malformed)?;
    if name.split('.').any(str::is_empty) {
        return Err(EmailDomainError::Malformed);
    }
    if name.len() > LONGEST_NAME || name.split('.').any(|label| label.len() > LONGEST_LABEL) {
        return Err(EmailDomainError::TooLong);
    }
    if is_number(top) {
        return Err(EmailDomainError::EndsInNumber);
    }
    Ok(())
}

/// Judges the Unicode form, so that an input spelt in A-labels hides nothing.
fn judge_letters(name: &str) -> Result<(), EmailDomainError> {
    let (unicode, outcome) = Uts46::new().to_unicode(name.as_bytes(), AsciiDenyList::STD3, Hyphens::Check);
    outcome.map_err(|_| EmailDomainError::Malformed)?;
    if unicode.chars().any(is_hidden) {
        return Err(EmailDomainError::Hidden);
    }
    if unicode.split('.').any(mixes_scripts) {
        return Err(EmailDomainError::MixedScripts);
    }
    Ok(())
}

/// Hexadecimal counts too: resolvers read `0x7f.0x1` as an address (WHATWG URL, "ends in a number").
fn is_number(label: &str) -> bool {
    label.bytes().all(|byte| byte.is_ascii_digit())
        || label.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Whether nothing shows where the character stands.
pub(super) fn is_hidden(character: char) -> bool {
    character.is_control()
        || character.is_whitespace()
        || IGNORABLE.iter().any(|range| range.contains(&character))
}

fn mixes_scripts(label: &str) -> bool {
    let mut scripts = label.chars().filter_map(script);
    let first = scripts.next();
    scripts.any(|script| Some(script) != first)
}

fn script(character: char) -> Option<Script> {
    SCRIPTS
        .iter()
        .find(|(_, range)| range.contains(&character) && character.is_alphabetic())
        .map(|&(script, _)| script)
}

#[cfg(test)]
mod tests;

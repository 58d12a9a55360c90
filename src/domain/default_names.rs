//! The name and slug of an organization whose creator gave none.

use crate::domain::email_address::EmailAddress;
use crate::domain::email_domain::CommonDomains;
use crate::domain::slug::{LONGEST_SLUG, Slug, is_slug_character};

/// What an organization is called until someone says better.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultNames {
    /// 1 to 64 characters, well below the 128 of an organization's name.
    pub name: String,
    /// Valid, but perhaps taken: see [`with_suffix`].
    pub slug: Slug,
}

/// Names an organization after its creator's address.
///
/// At a common provider or below `.edu` the base is the local part before any `+`; elsewhere the
/// label left of the public suffix, in its A-label form. The name is the base, or `Organization`
/// when there is none (the domain is itself a public suffix, or the local part starts with `+`).
/// The slug is the base with each run of foreign characters and hyphens made one `-`, trimmed of
/// it; a single character gets `-org`; `organization` stands in for what would not be a slug.
#[must_use]
pub fn default_names(email: &EmailAddress, common: &CommonDomains) -> DefaultNames {
    let base = base(email, common);
    let name = if base.is_empty() { "Organization" } else { base };
    DefaultNames { name: name.to_owned(), slug: slug_of(base) }
}

/// Makes a slug from an organization's name, by the rules of [`default_names`].
#[must_use]
pub fn slug_from(name: &str) -> Slug {
    slug_of(&name.to_ascii_lowercase())
}

/// The slug to try next when `slug` is taken: `slug-suffix`, `slug` cut so that the whole stays
/// within 128 characters.
///
/// The suffix is six base36 characters of the caller's drawing. A suffix with which no valid slug
/// results leaves the slug as it was.
#[must_use]
pub fn with_suffix(slug: &Slug, suffix: &str) -> Slug {
    let room = LONGEST_SLUG.saturating_sub(suffix.len() + 1);
    let kept: String = slug.as_str().chars().take(room).collect();
    Slug::parse(&format!("{kept}-{suffix}")).unwrap_or_else(|_| slug.clone())
}

fn base<'a>(email: &'a EmailAddress, common: &CommonDomains) -> &'a str {
    let domain = email.domain();
    let is_school = matches!(domain.as_str().rsplit_once('.'), Some((_, "edu")));
    if is_school || common.contains(domain) {
        let local_part = email.local_part();
        local_part.split_once('+').map_or(local_part, |(mailbox, _)| mailbox)
    } else {
        domain.label_left_of_suffix().unwrap_or_default()
    }
}

/// Expects lower case, which both halves of an address are in.
fn slug_of(base: &str) -> Slug {
    let mut slug = String::with_capacity(base.len());
    for character in base.chars() {
        if is_slug_character(character) && character != '-' {
            slug.push(character);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(slug.trim_end_matches('-').len());
    if slug.len() == 1 {
        slug.push_str("-org");
    }
    Slug::parse(&slug).unwrap_or_else(|_| Slug::placeholder())
}

#[cfg(test)]
mod tests;

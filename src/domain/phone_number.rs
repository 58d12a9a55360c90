//! Phone numbers.

use serde::{Deserialize, Serialize};

/// The digits that a number may have: seven are short, fifteen the most of E.164.
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// Why a text is not a [`PhoneNumber`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a + and {} to {} digits, the first of them not 0 (E.164)", DIGITS.start(), DIGITS.end())]
pub struct PhoneNumberError;

/// A phone number in E.164: `+`, the country's code and the number, 7 to 15 digits without spaces.
///
/// Whether such a number is in use is not known here. `Debug` hides it, since numbers never reach logs.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PhoneNumber(String);

impl PhoneNumber {
    /// Takes a number as given; nothing is trimmed or guessed.
    ///
    /// # Errors
    /// [`PhoneNumberError`].
    pub fn parse(text: &str) -> Result<Self, PhoneNumberError> {
        let digits = text.strip_prefix('+').ok_or(PhoneNumberError)?;
        let acceptable = DIGITS.contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0');
        if acceptable { Ok(Self(text.to_owned())) } else { Err(PhoneNumberError) }
    }

    /// The number, with its `+`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for PhoneNumber {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("PhoneNumber(<redacted>)")
    }
}

impl TryFrom<String> for PhoneNumber {
    type Error = PhoneNumberError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<PhoneNumber> for String {
    fn from(number: PhoneNumber) -> Self {
        number.0
    }
}

#[cfg(test)]
mod tests {
    use super::PhoneNumber;

    #[test]
    fn numbers_are_e164() {
        for good in ["+15005550006", "+4930123", "+1234567", "+123456789012345"] {
            assert_eq!(PhoneNumber::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "+",
            "15005550006",
            "+123456",
            "+1234567890123456",
            "+05005550006",
            "+1 500 555",
            "+١٢٣٤٥٦٧",
            "++1234567",
        ] {
            assert!(PhoneNumber::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(format!("{:?}", PhoneNumber::parse("+15005550006")), "Ok(PhoneNumber(<redacted>))");
    }
}

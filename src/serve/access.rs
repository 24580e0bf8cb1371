//! Who may come in: the token that clients have to show.

use std::fmt;
use std::str::FromStr;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use subtle::ConstantTimeEq;
use tonic::Status;

/// A secret that server and clients share.
#[derive(Clone)]
pub(crate) struct Token(String);

impl Token {
    /// The header's value that shows it.
    pub(super) fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// Whether a text is the token, in a time that tells nothing about it but its length.
    fn is(&self, shown: &str) -> bool {
        self.0.as_bytes().ct_eq(shown.as_bytes()).into()
    }
}

impl FromStr for Token {
    type Err = String;

    /// A text without blanks around it.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        match text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.is_empty() {
            true => Ok(Self(text.to_string())),
            false => Err("must be one line of letters, digits and punctuation in ASCII, and not empty".to_string()),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// What is asked of every request.
#[derive(Debug)]
pub(super) struct Access(Option<Token>);

impl Access {
    pub(super) fn new(token: Option<Token>) -> Self {
        Self(token)
    }

    /// Lets a request with the token pass; one that shakes hands may show it as a password.
    ///
    /// # Errors
    /// No token, or a wrong one.
    pub(super) fn check(&self, headers: &HeaderMap, is_handshake: bool) -> Result<(), Status> {
        let Some(token) = &self.0 else { return Ok(()) };
        let shown = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let shown = shown.and_then(|value| value.split_once(' ')).map(|(scheme, rest)| (scheme, rest.trim()));
        let is_right = match shown {
            Some((scheme, shown)) if scheme.eq_ignore_ascii_case("bearer") => token.is(shown),
            Some((scheme, shown)) if scheme.eq_ignore_ascii_case("basic") && is_handshake => {
                password(shown).is_some_and(|password| token.is(&password))
            }
            _ => {
                return Err(Status::unauthenticated(
                    "this server asks for a token: send it in the header 'authorization: Bearer TOKEN', or as the password of any user",
                ));
            }
        };
        match is_right {
            true => Ok(()),
            false => Err(Status::unauthenticated("the token is wrong")),
        }
    }
}

/// Padded or not: Go's clients leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The password of basic authentication.
fn password(encoded: &str) -> Option<String> {
    let decoded = String::from_utf8(BASE64.decode(encoded).ok()?).ok()?;
    decoded.split_once(':').map(|(_, password)| password.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(shown: Option<&str>, is_handshake: bool) -> bool {
        let access = Access::new(Some("s3cret".parse().unwrap()));
        let headers = shown.map(|shown| (AUTHORIZATION, shown.parse().unwrap()));
        access.check(&headers.into_iter().collect(), is_handshake).is_ok()
    }

    #[test]
    fn only_the_token_passes() {
        assert!(checked(Some("Bearer s3cret"), false) && checked(Some("bearer  s3cret"), true));
        for wrong in
            [None, Some("Bearer"), Some("Bearer "), Some("Bearer s3cret2"), Some("s3cret"), Some("Bearer S3CRET")]
        {
            assert!(!checked(wrong, false) && !checked(wrong, true), "{wrong:?}");
        }
    }

    #[test]
    fn the_password_of_any_user_is_the_token_in_a_handshake() {
        let basic = |pair: &str| format!("Basic {}", BASE64.encode(pair));
        let unpadded = basic("ann:s3cret").trim_end_matches('=').to_string();
        assert!(unpadded != basic("ann:s3cret") && checked(Some(&unpadded), true));
        assert!(checked(Some(&basic("ann:s3cret")), true) && checked(Some(&basic(":s3cret")), true));
        assert!(!checked(Some(&basic("ann:s3cret")), false));
        assert!(!checked(Some(&basic("s3cret")), true) && !checked(Some("Basic ???"), true));
    }

    #[test]
    fn a_token_is_one_line() {
        assert!(" abc\n".parse::<Token>().is_ok_and(|token| token.is("abc")));
        for wrong in ["", " \n", "a b", "a\nb", "ä"] {
            assert!(wrong.parse::<Token>().is_err(), "{wrong}");
        }
    }
}

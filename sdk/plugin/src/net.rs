//! Addresses, checked as strictly as OCSF's types ask for.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr};

/// Characters of an OCSF `ip_t`.
const IP_CHARS_MAX: usize = 40;

/// The address if `text` is one and nothing else: no port, no zone, no brackets, no spaces, no leading zeros. It comes as it
/// was written unless that spelling is longer than OCSF allows.
///
/// ```
/// use cairnlog_plugin::net::ip;
/// assert_eq!(ip("203.0.113.7").as_deref(), Some("203.0.113.7"));
/// for text in ["AWS Internal", "10.0.0.1:443", "fe80::1%eth0", " 10.0.0.1", "1a2b3c4", "[::1]", "010.0.0.1"] {
///     assert_eq!(ip(text), None);
/// }
/// ```
#[must_use]
pub fn ip(text: &str) -> Option<Cow<'_, str>> {
    let address: IpAddr = text.parse().ok()?;
    match address {
        IpAddr::V6(address) if text.len() > IP_CHARS_MAX => Some(Cow::Owned(hex_groups(address))),
        _ => Some(Cow::Borrowed(text)),
    }
}

/// Eight groups without a dotted end: at most 39 characters.
fn hex_groups(address: Ipv6Addr) -> String {
    address.segments().map(|group| format!("{group:x}")).join(":")
}

/// Whether `text` is a host name of at least two labels: letters, digits and inner hyphens, the last label not all digits.
#[must_use]
pub fn is_hostname(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let last = text.rsplit('.').next().unwrap_or(text);
    text.len() <= 253
        && text.contains('.')
        && text.split('.').all(label)
        && !last.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether `text` is an e-mail address with a dotted domain, in ASCII: OCSF's `email_t`.
#[must_use]
pub fn is_email(text: &str) -> bool {
    let local = |local: &str| {
        (1..=64).contains(&local.len())
            && local
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte))
    };
    text.split_once('@').is_some_and(|(name, domain)| local(name) && is_hostname(domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spelling_beyond_the_limit_is_shortened() {
        assert_eq!(
            ip("0000:0000:0000:0000:0000:ffff:255.255.255.255").as_deref(),
            Some("0:0:0:0:0:ffff:ffff:ffff")
        );
        assert_eq!(
            ip("2001:0db8:0000:0000:0000:0000:0000:0001").as_deref(),
            Some("2001:0db8:0000:0000:0000:0000:0000:0001")
        );
    }

    #[test]
    fn host_names() {
        for text in ["kms.amazonaws.com", "a-b.example", "xn--bcher-kva.example"] {
            assert!(is_hostname(text), "{text}");
        }
        for text in [
            "localhost",
            "Workday_Internal.x",
            "10.0.0.1",
            "-a.example",
            "a..b",
            "",
            ".",
            "a.b.",
            "AWS Internal",
        ] {
            assert!(!is_hostname(text), "{text}");
        }
    }

    #[test]
    fn e_mail_addresses() {
        for text in ["alice@example.com", "a.b+c@mail.example.org"] {
            assert!(is_email(text), "{text}");
        }
        for text in [
            "alice",
            "alice@localhost",
            "@example.com",
            "alice@",
            "a b@example.com",
            "älice@example.com",
            "a@b@example.com",
        ] {
            assert!(!is_email(text), "{text}");
        }
    }
}

//! What a new server says once: where its keys are, and what it means to lose them.

use std::io::IsTerminal as _;

use crate::config::{KekPlace, Settings};

/// Says it on stderr: a paragraph for people; a line of the log for collectors.
pub(crate) fn explain(settings: &Settings) {
    let words = words(settings);
    if std::io::stderr().is_terminal() {
        eprintln!("\n{words}\n");
    } else {
        tracing::info!("{words}");
    }
}

fn words(settings: &Settings) -> String {
    let data = settings.data.display();
    let wraps = match settings.keks.place() {
        KekPlace::File => format!("A log's keys are in {data}/keys/LOG: keyring, and kek, which opens it"),
        KekPlace::Environment => format!(
            "A log's keys are in {data}/keys/LOG/keyring, and CAIRNLOG_KEK opens it, which this server writes down nowhere"
        ),
        KekPlace::Token(token) => format!(
            "A log's keys are in {data}/keys/LOG/keyring, and the key {} in the PKCS#11 token {} opens it",
            token.key, token.token
        ),
    };
    format!(
        "{wraps}. Whoever loses one of the two has lost every record of the log, for good: nobody can open them, and no \
         backup of the store helps. Whoever steals both, and the store, reads every record. Without {data}/keys/LOG/signing \
         the log signs no further tree head, and with it others can. Before records come in, copy them to places apart from \
         the store and from each other: `cairnlog backup --data {data} --to A --keys-to B --secrets-to C`. docs/keys.md says \
         what each key is worth, and how to rotate it or keep it in a token. This is said once"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::PathBuf;

    use super::*;
    use crate::config::{Flags, load};

    #[test]
    fn it_says_where_the_keys_are_and_none_of_them() {
        let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let said = |vars: &[(&str, &str)]| {
            let env =
                |name: &str| vars.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned());
            let flags = Flags { data: Some(PathBuf::from("/srv/logs")), ..Flags::default() };
            words(&load(&flags, env).unwrap())
        };
        let file = said(&[]);
        assert!(file.contains("/srv/logs/keys/LOG: keyring, and kek") && !file.contains('\n'), "{file}");
        let environment = said(&[("CAIRNLOG_KEK_SOURCE", "environment"), ("CAIRNLOG_KEK", key)]);
        assert!(environment.contains("writes down nowhere") && !environment.contains(key), "{environment}");
        let token = said(&[
            ("CAIRNLOG_KEK_SOURCE", "pkcs11"),
            ("CAIRNLOG_PKCS11_MODULE", "/lib/hsm.so"),
            ("CAIRNLOG_PKCS11_TOKEN", "vault"),
            ("CAIRNLOG_PKCS11_KEY", "cairnlog-1"),
            ("CAIRNLOG_PKCS11_PIN", "987654"),
        ]);
        assert!(token.contains("the key cairnlog-1 in the PKCS#11 token vault"), "{token}");
        assert!(!token.contains("987654"), "{token}");
    }
}

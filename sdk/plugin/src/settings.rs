//! Reading configs.

use serde::de::DeserializeOwned;

/// For plugins that take no config: accepts an empty document, `null` or `{}`.
///
/// # Errors
/// If there is anything else in it.
pub fn none(config: &str) -> Result<(), String> {
    match config.trim() {
        "" | "null" | "{}" => Ok(()),
        other
            if serde_json::from_str::<serde_json::Map<_, _>>(other)
                .is_ok_and(|members| members.is_empty()) =>
        {
            Ok(())
        }
        _ => Err("this plugin takes no config: leave it out or give {}".to_owned()),
    }
}

/// Reads a JSON config into a type that derives `Deserialize`; put `#[serde(deny_unknown_fields)]` on it.
///
/// # Errors
/// Where and why the document does not fit.
pub fn read<T: DeserializeOwned>(config: &str) -> Result<T, String> {
    serde_json::from_str(config).map_err(|error| format!("the config does not fit: {error}"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_config_means_none() {
        for config in ["", "null", "{}", " { } "] {
            assert_eq!(super::none(config), Ok(()), "{config}");
        }
        for config in ["{\"a\":1}", "[]", "0", "{"] {
            assert!(super::none(config).is_err(), "{config}");
        }
    }
}

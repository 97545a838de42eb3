//! Numbers as disclosures write them: text, one for each.

/// The shortest text that reads back to this very double, as JCS writes numbers (RFC 8785 §3.2.2.3, ECMAScript's
/// `Number::toString`). `float` is finite and not -0.
pub(super) fn write_float(float: f64) -> String {
    let scientific = format!("{float:e}");
    let (sign, unsigned) = match scientific.strip_prefix('-') {
        Some(unsigned) => ("-", unsigned),
        None => ("", scientific.as_str()),
    };
    let (mantissa, exponent) = unsigned.split_once('e').unwrap_or((unsigned, "0"));
    let exponent = exponent.parse().unwrap_or(0);
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    format!("{sign}{}", place_point(&even_of_two(digits, exponent, float.abs()), exponent))
}

/// Where two texts are equally short and equally near, ECMAScript takes the even one, and Rust the larger.
fn even_of_two(larger: String, exponent: i32, float: f64) -> String {
    // No double has more than 767 digits.
    let exact = format!("{float:.766e}");
    let exact: String =
        exact.split('e').next().unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
    let Some((smaller, rest)) = exact.split_at_checked(larger.len()) else { return larger };
    let is_half = rest.strip_prefix('5').is_some_and(|rest| rest.bytes().all(|digit| digit == b'0'));
    let last = i32::try_from(smaller.len()).unwrap_or(i32::MAX) - 1;
    let reads_back = || format!("{smaller}e{}", exponent - last).parse() == Ok(float);
    if is_half && smaller.ends_with(['0', '2', '4', '6', '8']) && reads_back() {
        smaller.to_owned()
    } else {
        larger
    }
}

/// Reads what [`write_float`] writes.
pub(super) fn parse_float(text: &str) -> Option<f64> {
    let float: f64 = text.parse().ok()?;
    (float.is_finite() && !is_negative_zero(float) && write_float(float) == text).then_some(float)
}

/// Reads a decimal number of 64 bits signed without leading zeros or plus sign.
pub(super) fn parse_integer(text: &str) -> Option<i64> {
    let integer: i64 = text.parse().ok()?;
    (integer.to_string() == text).then_some(integer)
}

fn is_negative_zero(float: f64) -> bool {
    float == 0.0 && float.is_sign_negative()
}

/// `digits`, the first of them before the point, times ten to the power of `exponent`.
fn place_point(digits: &str, exponent: i32) -> String {
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    match exponent + 1 {
        point if (count..=21).contains(&point) => format!("{digits}{}", zeros(point - count)),
        point if (1..=21).contains(&point) => {
            let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or(0));
            format!("{whole}.{fraction}")
        }
        point if (-5..=0).contains(&point) => format!("0.{}{digits}", zeros(-point)),
        _ => {
            let (first, more) = digits.split_at(1);
            let point = if more.is_empty() { "" } else { "." };
            format!("{first}{point}{more}e{exponent:+}")
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_of_rfc_8785_appendix_b() {
        for (bits, text) in [
            (0, "0"),
            (1, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
            (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
            (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
        ] {
            let float = f64::from_bits(bits);
            assert_eq!(write_float(float), text);
            assert_eq!(parse_float(text), Some(float));
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in
            ["", "-0", "1.0", "+1", "1e0", "01", ".5", "0.10", "1e21", "1E+21", "NaN", "inf", "1e+400", " 1"]
        {
            assert_eq!(parse_float(text), None, "{text}");
        }
        for text in ["", "-0", "+1", "01", "1.0", "9223372036854775808", " 1", "1 ", "0x1"] {
            assert_eq!(parse_integer(text), None, "{text}");
        }
        assert_eq!(parse_integer("-9223372036854775808"), Some(i64::MIN));
    }

    proptest! {
        #[test]
        fn floats_are_written_as_jcs_writes_them(bits: u64) {
            let float = f64::from_bits(bits);
            if float.is_finite() && !is_negative_zero(float) {
                let text = write_float(float);
                prop_assert_eq!(&text, &serde_jcs::to_string(&float).unwrap());
                prop_assert_eq!(parse_float(&text), Some(float));
            }
        }

        #[test]
        fn what_reads_is_written_so(text in "-?[0-9]{1,4}(\\.[0-9]{1,4})?(e[+-]?[0-9]{1,3})?") {
            if let Some(float) = parse_float(&text) {
                prop_assert_eq!(write_float(float), text);
            }
        }
    }
}

//! Sizes and times as people write them: `512M`, `1.5G`, `30s`, `10m`.

use std::time::Duration;

use crate::{Error, Result};

/// Reads a number of bytes. The units are powers of 1024: `512M`, `1.5G`, `64KiB`, `1000`.
///
/// # Errors
/// That is no size, or more than a file could have.
pub fn parse_bytes(text: &str) -> Result<u64> {
    let wrong =
        || Error::usage(format!("'{text}' is no size")).hint("a size is a number of bytes or 512M, 1.5G");
    let (number, unit) = split(text);
    let unit = unit.to_ascii_lowercase();
    let unit = unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(&unit);
    let shift = match unit {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err(wrong()),
    };
    scaled(number, (1_u64 << shift) as f64)
        .filter(|&n| n <= i64::MAX as f64)
        .map(|n| n as u64)
        .ok_or_else(wrong)
}

/// Reads a time: `30s`, `10m`, `1.5h`, `250ms`; a number without a unit is in seconds.
///
/// # Errors
/// That is no time, or longer than a year.
pub fn parse_duration(text: &str) -> Result<Duration> {
    let wrong =
        || Error::usage(format!("'{text}' is no time")).hint("a time is a number of seconds or 30s, 10m, 2h");
    let (number, unit) = split(text);
    let seconds = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong()),
    };
    scaled(number, seconds).filter(|&s| s <= 366.0 * 86400.0).map(Duration::from_secs_f64).ok_or_else(wrong)
}

/// A size for people, in powers of 1024.
pub fn show_bytes(bytes: u64) -> String {
    let mut n = bytes as f64;
    for unit in ["bytes", "KiB", "MiB"] {
        if n < 1024.0 {
            let digits = usize::from(unit != "bytes");
            return format!("{n:.digits$} {unit}");
        }
        n /= 1024.0;
    }
    format!("{n:.1} GiB")
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim())
}

/// Digits, perhaps with a point in them; not the infinities and exponents that floats also have.
fn scaled(number: &str, by: f64) -> Option<f64> {
    number.parse::<f64>().ok().map(|n| n * by).filter(|n| n.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("512", 512),
            ("512M", 512 << 20),
            ("1.5G", 3 << 29),
            ("64KiB", 65536),
            ("2 gb", 2 << 30),
            ("1t", 1 << 40),
        ] {
            assert_eq!(parse_bytes(text).unwrap(), bytes, "{text}");
        }
        for text in ["", "M", "-1", "1e9", "inf", "NaN", "1x", "1..2", "9999999T", "0x10"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
        assert_eq!(show_bytes(1023), "1023 bytes");
        assert_eq!(show_bytes(3 << 29), "1.5 GiB");
    }

    #[test]
    fn times() {
        for (text, ms) in
            [("0", 0), ("1.5", 1500), ("30s", 30_000), ("10m", 600_000), ("250ms", 250), ("2h", 7_200_000)]
        {
            assert_eq!(parse_duration(text).unwrap(), Duration::from_millis(ms), "{text}");
        }
        for text in ["", "s", "-1s", "1d", "1e3", "99999999h"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}

//! Names of runs, and the time in them.

use std::time::{SystemTime, UNIX_EPOCH};

use super::RunError;

/// Refuses names that would leave the folder, hide the run, look like an option, or that some file system cannot hold.
pub fn check(name: &str) -> Result<(), RunError> {
    let problem = if name.is_empty() {
        "it is empty"
    } else if name.chars().count() > 100 {
        "it is longer than 100 characters"
    } else if name.contains(['/', '\\']) {
        "it holds a path separator"
    } else if name.contains("..") {
        "it holds `..`"
    } else if !name.starts_with(char::is_alphanumeric) {
        "it does not begin with a letter or digit"
    } else if !name.chars().all(|c| c.is_alphanumeric() || "._-+=@,".contains(c)) {
        "it holds a character that is not a letter, a digit or one of . _ - + = @ ,"
    } else if name.ends_with('.') {
        "it ends with a dot"
    } else {
        return Ok(());
    };
    Err(RunError::BadName {
        name: name.to_string(),
        problem,
    })
}

/// `<recipe>-<YYYYMMDD-HHMMSS>`, in UTC. Characters of the recipe's name that a run's name cannot hold become `-`.
pub fn default(recipe: &str, time: SystemTime) -> String {
    let mut stem: String = recipe
        .chars()
        .take(80)
        .map(|c| if c.is_alphanumeric() || c == '_' { c } else { '-' })
        .collect();
    if !stem.starts_with(char::is_alphanumeric) {
        stem.insert_str(0, "run");
    }
    let [year, month, day, hour, minute, second] = civil(time);
    format!("{stem}-{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}")
}

/// The time as `2026-11-22T00:08:01Z`.
pub fn timestamp(time: SystemTime) -> String {
    let [year, month, day, hour, minute, second] = civil(time);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The time that [`timestamp`] wrote, in seconds since 1970.
pub fn seconds(timestamp: &str) -> Option<u64> {
    let fields: Vec<u64> = timestamp
        .strip_suffix('Z')?
        .split(['-', 'T', ':'])
        .map(str::parse)
        .collect::<Result<_, _>>()
        .ok()?;
    let [year, month, day, hour, minute, second] = fields.try_into().ok()?;
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let leap = |y: u64| u64::from(y.is_multiple_of(4) && (!y.is_multiple_of(100) || y.is_multiple_of(400)));
    let years: u64 = (1970..year).map(|y| 365 + leap(y)).sum();
    let months: u64 = (1..month).map(|m| month_length(m, leap(year))).sum();
    Some(((years + months + day - 1) * 24 + hour) * 3600 + minute * 60 + second)
}

fn month_length(month: u64, leap: u64) -> u64 {
    match month {
        2 => 28 + leap,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Year, month, day, hour, minute and second in UTC.
fn civil(time: SystemTime) -> [u64; 6] {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    // Years counted from 1 March 0000, so that leap days come last; 400 years have 146097 days.
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    [
        year,
        month,
        day,
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn names_stay_in_their_folder() {
        for good in ["ctl", "ctl-20261122-000801", "a.b_c+d=1e-3,x@2", "Möbel2"] {
            check(good).unwrap();
        }
        let long = "a".repeat(101);
        for bad in [
            "", ".", "..", "a/b", "a\\b", "a..b", "-x", ".x", "a b", "a\n", "a:", "nul\0", "a.", &long,
        ] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn times_by_hand_and_back() {
        // `date -u -d @1795392481`, and the leap days around which calendars go wrong.
        for (seconds_, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_709_251_200, "2024-03-01T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(timestamp(UNIX_EPOCH + Duration::from_secs(seconds_)), text);
            assert_eq!(seconds(text), Some(seconds_));
        }
        for bad in [
            "",
            "yesterday",
            "2024-13-01T00:00:00Z",
            "99999999999-01-01T00:00:00Z",
        ] {
            assert_eq!(seconds(bad), None);
        }
        let name = default("../my recipe", UNIX_EPOCH + Duration::from_secs(1_709_251_199));
        assert_eq!(name, "run---my-recipe-20240229-235959");
        check(&name).unwrap();
    }
}

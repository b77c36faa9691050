//! Which shards a text names: a folder, a file, `part-*.tar`, `part-{000000..000012}.tar`, `{train,test}-000000.tar`.

use std::path::{Path, PathBuf};

use crate::data::error::DataError;

/// The most shards that one text may name.
const LIMIT: usize = 100_000;

/// The shards, in the order in which they are named; those of a folder and of a `*` by name.
pub(super) fn expand(text: &str) -> Result<Vec<PathBuf>, DataError> {
    let fail = |message: String, remedy: &str| DataError::Setting {
        key: "shards",
        message,
        remedy: remedy.into(),
    };
    let names = braces(text).map_err(|message| {
        fail(
            format!("{text:?} {message}"),
            "write data-{000000..000012}.tar for numbers, {train,test}.tar for words",
        )
    })?;
    let mut shards = Vec::new();
    for name in names {
        let path = PathBuf::from(&name);
        let last = path.file_name().map(|last| last.to_string_lossy().into_owned());
        let wild = last.as_deref().is_some_and(|last| last.contains(['*', '?']));
        let found = match wild {
            true => {
                let folder = match path.parent() {
                    Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
                    _ => PathBuf::from("."),
                };
                let pattern = last.unwrap_or_default();
                files(&folder, |file| matches(pattern.as_bytes(), file.as_bytes()))?
            }
            false if path.is_dir() => files(&path, |file| file.ends_with(".tar"))?,
            false => vec![path.clone()],
        };
        if found.is_empty() {
            return Err(fail(
                format!("there is no shard {name}"),
                "shards end in .tar; name a folder of them, a file, or a pattern with *, ? or {000000..000012}",
            ));
        }
        shards.extend(found);
    }
    Ok(shards)
}

fn files(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, DataError> {
    let fail = |error| crate::files::FileError::new("list the folder", folder, error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if wanted(&name) && !name.starts_with('.') && !entry.path().is_dir() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a name has the form of a pattern: `*` is any run of characters, `?` any one byte.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    // Where to go on if the last `*` has to take one more.
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p, n));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match retry {
                Some((star, taken)) => {
                    p = star + 1;
                    n = taken + 1;
                    retry = Some((star, taken + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

/// `a{1..3}b` → `a1b`, `a2b`, `a3b`; zeros in front say the width.
fn braces(text: &str) -> Result<Vec<String>, String> {
    let mut names = vec![String::new()];
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        let Some(length) = rest[start..].find('}') else {
            return Err("opens { without closing it".into());
        };
        let inner = &rest[start + 1..start + length];
        let choices: Vec<String> = match inner.split_once("..") {
            Some((first, last)) => {
                let number = |text: &str| {
                    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                    digits.then(|| text.parse::<usize>().ok()).flatten()
                };
                let (Some(low), Some(high)) = (number(first), number(last)) else {
                    return Err(format!("has {{{inner}}}, which is no range of numbers"));
                };
                if high < low || high - low >= LIMIT {
                    return Err(format!("has {{{inner}}}, which names no shard or too many"));
                }
                let width = first.len();
                (low..=high).map(|number| format!("{number:0width$}")).collect()
            }
            None => inner.split(',').map(String::from).collect(),
        };
        if names.len().saturating_mul(choices.len()) > LIMIT {
            return Err(format!("names more than {LIMIT} shards"));
        }
        let before = &rest[..start];
        names = names
            .iter()
            .flat_map(|name| {
                choices
                    .iter()
                    .map(move |choice| format!("{name}{before}{choice}"))
            })
            .collect();
        rest = &rest[start + length + 1..];
    }
    for name in &mut names {
        name.push_str(rest);
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_name_numbers_and_words() {
        assert_eq!(braces("a.tar").unwrap(), ["a.tar"]);
        assert_eq!(
            braces("x-{008..011}.tar").unwrap().join(" "),
            "x-008.tar x-009.tar x-010.tar x-011.tar"
        );
        assert_eq!(braces("{a,b}-{0..1}").unwrap(), ["a-0", "a-1", "b-0", "b-1"]);
        for wrong in [
            "{0..",
            "{1..x}",
            "{3..1}",
            "{..}",
            "{0..99999999}",
            "{0..999}{0..999}",
        ] {
            assert!(braces(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn stars_and_question_marks_match() {
        let is = |pattern: &str, name: &str| matches(pattern.as_bytes(), name.as_bytes());
        assert!(is("*.tar", "a.tar") && is("a*b*c", "aXbYbZc") && is("?.tar", "a.tar") && is("*", ""));
        assert!(!is("*.tar", "a.tar.gz") && !is("?.tar", ".tar") && !is("a*b", "ac"));
    }

    #[test]
    fn folders_and_patterns_are_listed_by_name() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.tar", "a.tar", "a.txt", ".hidden.tar"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let at = folder.path().to_str().unwrap();
        let names = |text: &str| -> Vec<String> {
            let shards = expand(text).unwrap();
            let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_string();
            shards.iter().map(name).collect()
        };
        assert_eq!(names(at), ["a.tar", "b.tar"]);
        assert_eq!(names(&format!("{at}/b*")), ["b.tar"]);
        assert_eq!(names(&format!("{at}/{{b,a}}.tar")), ["b.tar", "a.tar"]);
        let error = expand(&format!("{at}/c*.tar")).unwrap_err().to_string();
        assert!(error.contains("data.shards: there is no shard"), "{error}");
    }
}

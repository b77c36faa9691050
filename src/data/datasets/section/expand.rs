//! Paths of a recipe: environment variables and the home folder.

use std::path::{Path, PathBuf};

use crate::data::error::DataError;

/// The path that a key of `[data]` says, in this process's environment.
pub(crate) fn expand_path(key: &'static str, text: &str) -> Result<PathBuf, DataError> {
    expand(key, text, &|name| std::env::var(name).ok())
}

/// `${NAME}` becomes the environment variable of that name; a leading `~/` the home folder.
pub(super) fn expand(
    key: &'static str,
    text: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<PathBuf, DataError> {
    let variable = |name: &str| {
        environment(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| DataError::Setting {
                key,
                message: format!("the environment variable {name} in {text:?} is not set"),
                remedy: format!(
                    "run `export {name}=FOLDER` first, or write the path with --set data.{key}=FOLDER"
                ),
            })
    };
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start..].find('}') else {
            return Err(DataError::Setting {
                key,
                message: format!("{text:?} opens ${{ without closing it"),
                remedy: "write ${NAME}".into(),
            });
        };
        expanded.push_str(&rest[..start]);
        expanded.push_str(&variable(&rest[start + 2..start + length])?);
        rest = &rest[start + length + 1..];
    }
    expanded.push_str(rest);
    if let Some(below) = expanded.strip_prefix("~/") {
        return Ok(Path::new(&variable("HOME")?).join(below));
    }
    Ok(expanded.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_expanded_or_named() {
        let environment = |name: &str| match name {
            "DATA" => Some("/data".to_string()),
            "HOME" => Some("/home/u".to_string()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let expand = |text: &str| expand("root", text, &environment);
        assert_eq!(expand("${DATA}/market").unwrap(), Path::new("/data/market"));
        assert_eq!(expand("a/${DATA}${DATA}b").unwrap(), Path::new("a//data/datab"));
        assert_eq!(expand("~/market").unwrap(), Path::new("/home/u/market"));
        assert_eq!(expand("plain $x {y}").unwrap(), Path::new("plain $x {y}"));
        for name in ["NONE", "EMPTY"] {
            let error = expand(&format!("${{{name}}}/m")).unwrap_err();
            assert!(
                error
                    .to_string()
                    .contains(&format!("data.root: the environment variable {name} in")),
                "{error}"
            );
            assert!(
                miette::Diagnostic::help(&error)
                    .unwrap()
                    .to_string()
                    .contains(&format!("export {name}="))
            );
        }
        assert!(
            expand("${DATA")
                .unwrap_err()
                .to_string()
                .contains("without closing it")
        );
    }
}

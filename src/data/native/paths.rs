//! Paths that a table names.

use std::path::{Component, Path, PathBuf};

/// The file that an image cell names, or (what is wrong, what to do).
pub(super) fn resolve(root: &Path, text: &str, allow_outside: bool) -> Result<PathBuf, (String, String)> {
    if text.contains("://") {
        return Err((
            "is a web address".into(),
            "download the images, and name the files".into(),
        ));
    }
    let path = Path::new(text);
    if path.is_absolute() {
        return Ok(path.to_path_buf());
    }
    let mut depth = 0i64;
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => depth -= 1,
            Component::CurDir => continue,
            _ => depth += 1,
        }
        if depth < 0 && !allow_outside {
            return Err((
                format!(
                    "leaves the root {}",
                    if root.as_os_str().is_empty() {
                        Path::new(".")
                    } else {
                        root
                    }
                    .display()
                ),
                "set `root` to a folder that holds all images, or allow it with allow_outside = true".into(),
            ));
        }
        clean.push(part);
    }
    Ok(root.join(clean))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_path_that_leaves_the_root_is_refused() {
        let root = Path::new("/data");
        let inside = |text| resolve(root, text, false);
        assert_eq!(inside("a/b.jpg").unwrap(), Path::new("/data/a/b.jpg"));
        assert_eq!(inside("./a.jpg").unwrap(), Path::new("/data/a.jpg"));
        assert_eq!(inside("a/../b.jpg").unwrap(), Path::new("/data/a/../b.jpg"));
        assert_eq!(inside("/else/b.jpg").unwrap(), Path::new("/else/b.jpg"));
        for text in ["../b.jpg", "a/../../b.jpg", "./../b.jpg", "a/../../data/b.jpg"] {
            assert!(
                inside(text).unwrap_err().0.contains("leaves the root /data"),
                "{text}"
            );
            assert!(resolve(root, text, true).is_ok());
        }
        assert!(
            inside("https://a.example/b.jpg")
                .unwrap_err()
                .0
                .contains("web address")
        );
    }
}

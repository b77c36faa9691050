//! Names that may have been meant.

/// How many names an error proposes.
const NEAR: usize = 3;

/// The names most like the one that was asked for.
pub fn near<'a>(asked: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut near: Vec<(f64, &str)> = names
        .map(|name| (strsim::jaro_winkler(asked, name), name))
        .filter(|(likeness, _)| *likeness > 0.85)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    near.into_iter()
        .take(NEAR)
        .map(|(_, name)| format!("`{name}`"))
        .collect()
}

/// What to write in the place of an id that nothing has: the ids that hold the text, else those most like it, else what one looks like.
pub fn near_ids<'a>(asked: &str, ids: impl Iterator<Item = &'a str> + Clone) -> String {
    let part = asked.to_lowercase();
    let mut found: Vec<String> = match part.chars().count() {
        0..3 => Vec::new(),
        _ => ids
            .clone()
            .filter(|id| id.to_lowercase().contains(&part))
            .take(NEAR)
            .map(|id| format!("`{id}`"))
            .collect(),
    };
    if found.is_empty() {
        found = near(asked, ids.clone());
    }
    match (found.is_empty(), ids.clone().next()) {
        (false, _) => format!("near it are {}", found.join(", ")),
        (true, Some(first)) => format!("ids look like `{first}`"),
        (true, None) => "there is none".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_hold_the_text_come_before_those_that_resemble_it() {
        let ids = ["biplate", "red biplane 7", "Biplane 12", "car 3"];
        assert_eq!(
            near_ids("biplane", ids.into_iter()),
            "near it are `red biplane 7`, `Biplane 12`"
        );
        assert_eq!(near_ids("biplame", ids.into_iter()), "near it are `biplate`");
        assert_eq!(near_ids("xyz", ids.into_iter()), "ids look like `biplate`");
    }
}

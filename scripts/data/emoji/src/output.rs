//! The files: pictures, tables, attribution.

use crate::Use;
use crate::icons::Icons;
use crate::names::Names;
use std::path::Path;

/// The path of a picture, beside the tables.
pub fn image(vendor: &str, code: &str) -> String {
    format!("images/{vendor}/{code}.png")
}

/// A table in the columns of the native form, with the subgroup and, for each language, name and tags; and how many rows of which
/// split it has. Drawings of all sets but the last are trained on; the last one's are the test where their concept is of use `tested`.
pub fn table(sets: &[Icons], names: &Names, concepts: &[(&str, Use)], tested: Use) -> (String, String) {
    let mut csv = String::from("id,image,text,label,category,split,domain,subgroup");
    for language in &names.languages {
        csv += &format!(",name_{language},tags_{language}");
    }
    csv.push('\n');
    let mut counts = [("train", 0), ("valid", 0), ("test", 0)];
    for (at, set) in sets.iter().enumerate() {
        let last = at + 1 == sets.len();
        for (code, of) in concepts {
            let split = match (last, of) {
                (false, Use::New) => continue,
                (false, _) => 0,
                (true, of) if *of == tested => 2,
                // What is chosen by are known concepts, too, which the table of new ones must not test on.
                (true, Use::Valid) if tested == Use::Test => 1,
                (true, _) => continue,
            };
            let Some(concept) = names.get(code) else { continue };
            counts[split].1 += 1;
            let (name, tags) = &concept.words[0];
            let text = [std::slice::from_ref(name), tags].concat().join(", ");
            csv += &format!(
                "{vendor}-{code},{},{},{code},{},{},{vendor},{}",
                image(&set.prefix, code),
                quoted(&text),
                concept.group,
                counts[split].0,
                concept.subgroup,
                vendor = set.prefix,
            );
            for (name, tags) in &concept.words {
                csv += &format!(",{},{}", quoted(name), quoted(&tags.join(", ")));
            }
            csv.push('\n');
        }
    }
    let counts: Vec<String> = counts
        .iter()
        .map(|(split, count)| format!("{count} {split}"))
        .collect();
    (csv, counts.join(", "))
}

fn quoted(field: &str) -> String {
    match field.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.to_owned(),
    }
}

/// Who made what, and under which licence.
pub fn attribution(sets: &[Icons], names: &Names, size: u32) -> String {
    let mut text = format!(
        "# Attribution\n\n\
         The pictures in `images/` are emoji, each folder one vendor's, taken from npm packages @iconify-json/… (vector drawings as\n\
         Iconify cleans them). **Changes:** each was drawn on white as {size} × {size} pixels. Their makers do not endorse this work\n\
         or its use.\n\n"
    );
    for set in sets {
        let info = &set.info;
        text += &format!(
            "- `images/{}`: {}, © {} <{}>; {}, <{}>\n",
            set.prefix, info.name, info.author.name, info.author.url, info.license.spdx, info.license.url
        );
    }
    text += &format!(
        "\nNames and tags in the tables ({}) are those of emojibase-data {} <https://emojibase.dev>, which takes most of them from the\n\
         Unicode Common Locale Data Repository (© Unicode, Inc., <https://www.unicode.org/license.txt>). **Changes:** spaces were made\n\
         alike, and tags that repeat the name left out.\n\n\
         ## Licences\n\n\
         Apache-2.0: <https://www.apache.org/licenses/LICENSE-2.0>\n\n\
         CC-BY-4.0: <https://creativecommons.org/licenses/by/4.0/>\n\n\
         MIT, for emojibase-data; the same text holds for sets under MIT, with the copyright of their makers named above:\n\n",
        names.languages.join(", "),
        names.version
    );
    for line in names.licence.trim().lines() {
        text += format!("> {}", line.trim()).trim_end();
        text.push('\n');
    }
    text
}

/// Writes a file under another name first, so that a reader never sees half of it.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("{}: cannot be written: {e}", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = path.with_file_name(name);
    std::fs::write(&part, bytes)
        .and_then(|()| std::fs::rename(&part, path))
        .map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::write;

    /// Two sets and two languages of three concepts; the second set lacks one, German another.
    fn packages() -> std::path::PathBuf {
        let root = std::env::temp_dir().join(format!("emoji-tool-{}", std::process::id()));
        for (set, codes) in [
            ("one", "\"2764\":\"a\",\"1f43b\":\"b\",\"1f600\":\"c\""),
            ("two", "\"2764-fe0f\":\"a\",\"1f43b\":\"b\""),
        ] {
            let folder = root.join(set);
            std::fs::create_dir_all(&folder).unwrap();
            let body = "{\"body\":\"<rect width='16' height='16' fill='#00f'/>\"}";
            write(
                folder.join("icons.json"),
                format!("{{\"prefix\":\"{set}\",\"icons\":{{\"a\":{body},\"b\":{body},\"c\":{body}}}}}"),
            )
            .unwrap();
            write(folder.join("chars.json"), format!("{{{codes}}}")).unwrap();
            write(
                folder.join("info.json"),
                "{\"name\":\"Set\",\"author\":{\"name\":\"A\"},\"license\":{\"spdx\":\"MIT\"}}",
            )
            .unwrap();
        }
        let names = root.join("names");
        for folder in ["en", "de", "meta"] {
            std::fs::create_dir_all(names.join(folder)).unwrap();
        }
        write(names.join("LICENSE"), "free\n").unwrap();
        write(names.join("package.json"), "{\"version\":\"1\"}").unwrap();
        write(
            names.join("meta/groups.json"),
            "{\"groups\":{\"0\":\"things\"},\"subgroups\":{\"4\":\"hearts\"}}",
        )
        .unwrap();
        let entry = |label: &str, code: &str| {
            format!(
                "{{\"label\":\"{label}\",\"hexcode\":\"{code}\",\"tags\":[\"{label}\",\"x, y\"],\"group\":0,\"subgroup\":4}}"
            )
        };
        write(
            names.join("en/data.json"),
            format!(
                "[{},{},{}]",
                entry("red heart", "2764"),
                entry("bear", "1F43B"),
                entry("grin", "1F600")
            ),
        )
        .unwrap();
        write(
            names.join("de/data.json"),
            format!("[{},{}]", entry("rotes Herz", "2764"), entry("Bär", "1F43B")),
        )
        .unwrap();
        root
    }

    #[test]
    fn what_every_set_and_language_has_is_written() {
        let root = packages();
        let sets = ["one", "two"].map(|set| Icons::read(&root.join(set)).unwrap());
        let names = Names::read(&root.join("names"), &["en".into(), "de".into()]).unwrap();
        assert_eq!(names.codes().collect::<Vec<_>>(), ["1f43b", "2764"]);
        assert!(sets[1].icon("2764").unwrap().contains("viewBox=\"0 0 16 16\""));
        assert!(sets[1].icon("1f600").is_none());
        let (csv, counts) = table(
            &sets,
            &names,
            &[("1f43b", Use::New), ("2764", Use::Test)],
            Use::Test,
        );
        assert_eq!(
            csv,
            "id,image,text,label,category,split,domain,subgroup,name_en,tags_en,name_de,tags_de\n\
             one-2764,images/one/2764.png,\"red heart, x, y\",2764,things,train,one,hearts,red heart,\"x, y\",rotes Herz,\"x, y\"\n\
             two-2764,images/two/2764.png,\"red heart, x, y\",2764,things,test,two,hearts,red heart,\"x, y\",rotes Herz,\"x, y\"\n"
        );
        assert_eq!(counts, "1 train, 0 valid, 1 test");
        let (csv, counts) = table(
            &sets,
            &names,
            &[("1f43b", Use::New), ("2764", Use::Test)],
            Use::New,
        );
        assert!(csv.contains("two-1f43b") && !csv.contains("one-1f43b") && !csv.contains("two-2764"));
        assert_eq!(counts, "1 train, 0 valid, 1 test");
        let text = attribution(&sets, &names, 72);
        assert!(text.contains("> free") && text.contains("images/two"), "{text}");
        // Share-alike is refused.
        write(
            root.join("one/info.json"),
            "{\"name\":\"Set\",\"author\":{\"name\":\"A\"},\"license\":{\"spdx\":\"CC-BY-SA-4.0\"}}",
        )
        .unwrap();
        let error = Icons::read(&root.join("one")).err().unwrap();
        assert!(error.contains("CC-BY-SA-4.0"), "{error}");
        std::fs::remove_dir_all(root).unwrap();
    }
}

//! Captions of a table's pictures: columns filled into templates, shared by all pictures of a product.

use super::Truth;
use crate::data::table::Item;
use crate::data::{DataError, Table};
use std::collections::{BTreeMap, HashMap};

/// Columns of the native table that a caption may name, beside any that tailor gives no meaning to.
const COLUMNS: [&str; 5] = ["text", "category", "label", "domain", "id"];
/// How many products without a caption an error names.
const NAMED: usize = 5;

/// A caption with columns in braces: `{name}, in the {category}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Words(String),
    Column(String),
}

impl Template {
    /// Reads the text of a template; at least one column must stand in it.
    pub fn parse(text: &str) -> Result<Self, DataError> {
        let refuse = |message: &str| DataError::Setting {
            key: "captions",
            message: format!("{text:?} {message}"),
            remedy: "write columns in braces, as in \"{text}\" or \"{name}, in the {category}\"".into(),
        };
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let (column, after) = after
                .split_once('}')
                .ok_or_else(|| refuse("opens { without closing it"))?;
            parts.push(Part::Words(before.into()));
            parts.push(Part::Column(column.trim().into()));
            rest = after;
        }
        if parts.is_empty() {
            return Err(refuse(
                "names no column, so that it would be every picture's caption",
            ));
        }
        parts.push(Part::Words(rest.into()));
        Ok(Self { parts })
    }

    fn columns(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Column(column) => Some(column.as_str()),
            Part::Words(_) => None,
        })
    }

    /// The caption of a row; none where one of its columns is empty.
    fn of(&self, table: &Table, row: usize) -> Option<String> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Words(words) => text.push_str(words),
                Part::Column(column) => text.push_str(cell(table, row, column)?),
            }
        }
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        (!text.is_empty()).then_some(text)
    }
}

fn cell<'a>(table: &'a Table, row: usize, column: &str) -> Option<&'a str> {
    let item = &table.items[row];
    let value = match column {
        "text" => item.text.as_deref(),
        "category" => item.category.as_deref(),
        "label" => Some(item.label.as_str()),
        "domain" => item.domain.as_deref(),
        "id" => Some(item.id.as_str()),
        other => table.extra.get(other)?.get(row)?.as_deref(),
    };
    value.filter(|value| !value.trim().is_empty())
}

/// Reads templates and holds them against the table's columns: one that has no value in any row is an error.
pub fn templates(texts: &[String], table: &Table) -> Result<Vec<Template>, DataError> {
    let refuse = |message: String, remedy: String| DataError::Setting {
        key: "captions",
        message,
        remedy,
    };
    if texts.is_empty() {
        return Err(refuse(
            "is empty: without captions there is nothing to learn from".into(),
            "write captions = [\"{text}\"]".into(),
        ));
    }
    let known = |column: &str| COLUMNS.contains(&column) || table.extra.contains_key(column);
    let filled = |column: &str| (0..table.items.len()).any(|row| cell(table, row, column).is_some());
    let mut found = Vec::new();
    for text in texts {
        let template = Template::parse(text)?;
        if let Some(column) = template.columns().find(|column| !known(column)) {
            let columns: Vec<&str> = COLUMNS
                .into_iter()
                .chain(table.extra.keys().map(String::as_str))
                .filter(|column| filled(column))
                .collect();
            return Err(refuse(
                format!(
                    "{text:?} names the column `{column}`, which {} has not got",
                    table.name
                ),
                format!("its columns with values are {}", columns.join(", ")),
            ));
        }
        if let Some(column) = template.columns().find(|column| !filled(column)) {
            return Err(refuse(
                format!(
                    "{text:?} names the column `{column}`, which is empty in every row of {}",
                    table.name
                ),
                format!(
                    "give the rows a `{column}` (a title or description of the product), or name another column"
                ),
            ));
        }
        found.push(template);
    }
    Ok(found)
}

/// The distinct pictures of a table: rows of one image and one box are one picture, however many captions they bring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pictures {
    /// A row of each picture, the first.
    pub rows: Vec<usize>,
    /// The picture of each row.
    pub of_row: Vec<u32>,
}

impl Pictures {
    /// Of all rows.
    pub fn of(table: &Table) -> Self {
        let mut numbers = HashMap::new();
        let (mut rows, mut of_row) = (Vec::new(), Vec::with_capacity(table.items.len()));
        for (row, Item { image, bbox, .. }) in table.items.iter().enumerate() {
            let number = *numbers
                .entry((image, bbox.map(|sides| sides.map(f32::to_bits))))
                .or_insert_with(|| {
                    rows.push(row);
                    rows.len() as u32 - 1
                });
            of_row.push(number);
        }
        Self { rows, of_row }
    }
}

/// Pictures of some rows with their captions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captioned {
    /// The pictures, by their numbers in the table.
    pub pictures: Vec<u32>,
    /// Every caption once, in the order of the first picture that has it; two that differ in capitals alone are one.
    pub texts: Vec<String>,
    /// A caption is right for all pictures of every product that carries it: "Chair" is no wrong answer for any chair of that name.
    pub truth: Truth,
}

impl Captioned {
    /// Of the rows of a split, by templates. A product (the rows of one label) shares its captions among its pictures.
    pub fn new(
        table: &Table,
        rows: &[usize],
        pictures: &Pictures,
        templates: &[Template],
    ) -> Result<Self, DataError> {
        let mut numbers: BTreeMap<u32, u32> = BTreeMap::new();
        let mut own: Vec<u32> = Vec::new();
        // The captions and pictures of each product, in the order of the table.
        let mut products: Vec<(&str, Vec<String>, Vec<u32>)> = Vec::new();
        let mut at: HashMap<&str, usize> = HashMap::new();
        for &row in rows {
            let label = table.items[row].label.as_str();
            let product = *at.entry(label).or_insert_with(|| {
                products.push((label, Vec::new(), Vec::new()));
                products.len() - 1
            });
            let picture = pictures.of_row[row];
            let number = *numbers.entry(picture).or_insert_with(|| {
                own.push(picture);
                own.len() as u32 - 1
            });
            products[product].2.push(number);
            let captions = templates.iter().filter_map(|template| template.of(table, row));
            products[product].1.extend(captions);
        }
        let silent: Vec<&str> = products
            .iter()
            .filter(|(_, captions, _)| captions.is_empty())
            .map(|(label, ..)| *label)
            .collect();
        if !silent.is_empty() {
            let more = if silent.len() > NAMED { ", …" } else { "" };
            return Err(DataError::Setting {
                key: "captions",
                message: format!(
                    "{} of {} products have no caption: {}{more}",
                    silent.len(),
                    products.len(),
                    silent[..silent.len().min(NAMED)].join(", ")
                ),
                remedy:
                    "give one row of each product the columns that a caption names, or leave the product out"
                        .into(),
            });
        }
        let mut known: HashMap<String, usize> = HashMap::new();
        let (mut texts, mut images_of) = (Vec::new(), Vec::<Vec<u32>>::new());
        for (_, captions, shown) in products {
            for text in captions {
                let caption = *known.entry(text.to_lowercase()).or_insert_with(|| {
                    texts.push(text);
                    images_of.push(Vec::new());
                    texts.len() - 1
                });
                images_of[caption].extend(&shown);
            }
        }
        Ok(Self {
            truth: Truth::listed(own.len(), images_of),
            pictures: own,
            texts,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::native::read_csv_with;
    use crate::data::{ImageRef, Split};

    const ITEMS: &str = "id,image,text,label,category,split,name
1,a.jpg,\"Oak chair, Seat\",oak,Living room,train,Oak chair
2,b.jpg,\"Oak chair, Seat\",oak,Living room,train,Oak chair
3,c.jpg,\"Chair, Seat\",plain,Living room,train,Chair
4,d.jpg,\"chair,  seat\",other,Kitchen,train,Chair
5,d.jpg,\"Stuhl\",other,Kitchen,train,Stuhl
6,e.jpg,,mute,Office,test,
";

    fn table(text: &str) -> Table {
        read_csv_with("items.csv", text.as_bytes(), |image| {
            Ok(ImageRef::File(image.into()))
        })
        .unwrap()
    }

    fn captioned(captions: &[&str], split: Split) -> Result<Captioned, DataError> {
        let table = table(ITEMS);
        let captions: Vec<String> = captions.iter().map(|text| text.to_string()).collect();
        let templates = templates(&captions, &table)?;
        Captioned::new(&table, &table.rows(split), &Pictures::of(&table), &templates)
    }

    #[test]
    fn products_share_captions_and_captions_share_products() {
        let found = captioned(&["{text}", "{name} for the {category}"], Split::Train).unwrap();
        assert_eq!(
            found.texts,
            [
                "Oak chair, Seat",
                "Oak chair for the Living room",
                "Chair, Seat",
                "Chair for the Living room",
                "Chair for the Kitchen",
                "Stuhl",
                "Stuhl for the Kitchen",
            ]
        );
        // d.jpg stands in two rows, once in English and once in German: it is one picture with the captions of both.
        assert_eq!(found.pictures, [0, 1, 2, 3]);
        assert_eq!(found.truth.images_of(0), [0, 1]);
        // "Chair, Seat" is said of two products, whatever the capitals and spaces.
        assert_eq!(found.truth.images_of(2), [2, 3]);
        assert_eq!(found.truth.captions_of(3), [2, 4, 5, 6]);
        assert_eq!(found.truth.pairs(), 10);
    }

    #[test]
    fn what_cannot_be_a_caption_is_named() {
        let error = |captions: &[&str], split| captioned(captions, split).unwrap_err().to_string();
        assert!(error(&[], Split::Train).contains("is empty"));
        assert!(error(&["chair"], Split::Train).contains("names no column"));
        assert!(error(&["{text"], Split::Train).contains("without closing"));
        assert!(error(&["{title}"], Split::Train).contains("`title`"));
        assert!(error(&["{domain}"], Split::Train).contains("empty in every row"));
        assert!(error(&["{text}"], Split::Test).contains("1 of 1 products have no caption: mute"));
        let table = table("id,image,label,split\n1,a.jpg,a,train\n");
        let error = templates(&["{text}".into()], &table).unwrap_err().to_string();
        assert!(
            error.contains("`text`, which is empty in every row of items"),
            "{error}"
        );
    }
}

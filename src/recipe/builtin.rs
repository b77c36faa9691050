//! The recipes that are compiled into the binary: every file of `recipes/`.

/// Pairs every name with the text of `recipes/<name>.toml`.
macro_rules! recipes {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../recipes/", $name, ".toml")))),*]
    };
}

/// `(name, text)` of every built-in recipe, by name. A test holds this list to the folder's content.
pub const ALL: &[(&str, &str)] = recipes![
    "ctl-deepfashion",
    "ctl-dukemtmc",
    "ctl-market1501",
    "ctl-street2shop",
    "fashion-reid-deepfashion-l",
    "fashion-reid-deepfashion-s",
    "fashion-reid-market1501",
    "fashion-reid-street2shop-l",
    "fashion-reid-street2shop-s",
    "finetune-clothing",
    "finetune-clothing-resnet",
    "quickstart",
    "sgraf-saf-f30k",
    "sgraf-saf-f30k-mean",
    "sgraf-sgr-f30k",
    "sgraf-sgr-f30k-mean",
    "sop",
    "t-emde-emoji",
    "t-emde-emoji-attention",
    "t-emde-emoji-mean",
    "t-emde-furniture",
    "t-emde-furniture-attention",
    "t-emde-furniture-mean",
    "t-emde-saf-coco",
    "t-emde-saf-f30k",
    "t-emde-sgr-coco",
    "t-emde-sgr-f30k",
    "wardrobe-street2shop",
    "wardrobe-street2shop-triplet",
];

#[cfg(test)]
mod tests {
    #[test]
    fn the_list_is_the_folder() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/recipes");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .filter_map(|entry| {
                entry
                    .unwrap()
                    .file_name()
                    .to_str()?
                    .strip_suffix(".toml")
                    .map(str::to_owned)
            })
            .collect();
        files.sort();
        let names: Vec<&str> = super::ALL.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            names, files,
            "name every file of recipes/ in src/recipe/builtin.rs, in order"
        );
    }
}

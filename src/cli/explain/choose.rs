//! Which image and which caption are meant.

use crate::cli::near::{near, near_ids};
use crate::data::pairs::{Face, Precomputed};
use crate::data::text::{UNKNOWN, Vocabulary};
use std::path::Path;

/// A pair that cannot be explained.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ExplainError {
    /// No image of that name.
    #[error("there is no image `{asked}`{no_file}: {split} has {images} images, numbered 0 to {}", images - 1)]
    #[diagnostic(help("{remedy}"))]
    Image {
        /// What was asked for.
        asked: String,
        /// The split.
        split: String,
        /// Its images.
        images: usize,
        /// That a file of that name is missing too, where it looks like one.
        no_file: &'static str,
        /// What to write instead.
        remedy: String,
    },
    /// No caption of that number.
    #[error("there is no caption {asked}: {split} has {captions} captions, numbered 0 to {}", captions - 1)]
    #[diagnostic(help("name one of them by its number, or write any text: --caption \"a chair of oak\""))]
    Caption {
        /// What was asked for.
        asked: String,
        /// The split.
        split: String,
        /// Its captions.
        captions: usize,
    },
    /// A caption without words.
    #[error("--caption holds no word")]
    #[diagnostic(help(
        "write a few words, as in --caption \"a chair of oak\", or the number of a caption of the split"
    ))]
    Empty,
    /// A caption that the model cannot read.
    #[error("the model knows no word of the caption: {words}")]
    #[diagnostic(help("{remedy}"))]
    Unknown {
        /// The words.
        words: String,
        /// What it knows.
        remedy: String,
    },
    /// A picture where features were computed elsewhere.
    #[error("{path} cannot be described: this run's images are region features that were computed elsewhere")]
    #[diagnostic(help(
        "name an image of the split by its id or number; features of further images belong into a split of their own \
         (`tailor data convert regions`, --set data.test=NAME)"
    ))]
    Picture {
        /// The picture.
        path: String,
    },
    /// A picture has no caption of its own.
    #[error("{path} is a picture from elsewhere: which caption it is to be held against is not said")]
    #[diagnostic(help("add --caption \"a few words\", or the number of a caption of the split"))]
    NoCaption {
        /// The picture.
        path: String,
    },
}

/// An image or a caption of the split by its number, or another: a picture's file, a text.
#[derive(Clone, Debug, PartialEq)]
pub enum Which {
    /// Of the split.
    Number(usize),
    /// Not of the split.
    Other(String),
}

/// The words that the model reads of a caption.
#[derive(Debug)]
pub struct Words {
    /// The caption as it was written.
    pub text: String,
    /// Its words and their numbers, without `<start>` and `<end>`.
    pub spelt: Vec<(String, u32)>,
}

/// The split that is chosen from.
pub struct Place<'a> {
    /// Its images.
    pub faces: &'a [Face],
    /// Its captions, and what belongs together.
    pub split: &'a Precomputed,
    /// Its name.
    pub name: &'a str,
    /// Whether features of any picture can be computed.
    pub makes_features: bool,
}

impl Place<'_> {
    /// Both; what is not asked for is the other's first, of the first image where neither is.
    pub fn pair(&self, image: Option<&str>, caption: Option<&str>) -> Result<(Which, Which), ExplainError> {
        let caption = caption.map(|asked| self.caption(asked)).transpose()?;
        let image = match (image, &caption) {
            (Some(asked), _) => self.image(asked)?,
            (None, Some(Which::Number(caption))) => Which::Number(self.split.image_of(*caption)),
            (None, _) => Which::Number(0),
        };
        let caption = match (caption, &image) {
            (Some(caption), _) => caption,
            (None, Which::Number(image)) => {
                let own = self.split.truth.captions_of(*image).first();
                Which::Number(own.map_or(0, |&caption| caption as usize))
            }
            (None, Which::Other(path)) => {
                return Err(ExplainError::NoCaption { path: path.clone() });
            }
        };
        Ok((image, caption))
    }

    /// An id counts before a number, a number before a file.
    fn image(&self, asked: &str) -> Result<Which, ExplainError> {
        if let Some(number) = self.faces.iter().position(|face| face.id == asked) {
            return Ok(Which::Number(number));
        }
        match asked.parse::<usize>() {
            Ok(number) if number < self.faces.len() => return Ok(Which::Number(number)),
            Err(_) if Path::new(asked).is_file() => {
                return match self.makes_features {
                    true => Ok(Which::Other(asked.into())),
                    false => Err(ExplainError::Picture { path: asked.into() }),
                };
            }
            _ => {}
        }
        let file = if self.makes_features {
            ", or a picture's file"
        } else {
            ""
        };
        let near = near_ids(asked, self.faces.iter().map(|face| face.id.as_str()));
        // A text that looks like a file's name was meant as one.
        let kinds = ["jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff"];
        let kind = Path::new(asked).extension().and_then(|kind| kind.to_str());
        let no_file = match kind.is_some_and(|kind| kinds.contains(&kind.to_lowercase().as_str())) {
            true => ", and no such file",
            false => "",
        };
        Err(ExplainError::Image {
            asked: asked.into(),
            split: self.name.into(),
            images: self.faces.len(),
            no_file,
            remedy: format!("name an image by its number or id{file}; {near}"),
        })
    }

    fn caption(&self, asked: &str) -> Result<Which, ExplainError> {
        match asked.trim().parse::<i64>() {
            Ok(number) => match usize::try_from(number) {
                Ok(number) if number < self.split.texts.len() => Ok(Which::Number(number)),
                _ => Err(ExplainError::Caption {
                    asked: asked.trim().into(),
                    split: self.name.into(),
                    captions: self.split.texts.len(),
                }),
            },
            Err(_) => Ok(Which::Other(asked.into())),
        }
    }

    /// The words of a caption as the model reads them, cut off after `most`. A text of one's own needs a word that it knows.
    pub fn words(
        &self,
        caption: &Which,
        vocabulary: &Vocabulary,
        most: Option<usize>,
    ) -> Result<Words, ExplainError> {
        let text = match caption {
            Which::Number(number) => self.split.texts[*number].clone(),
            Which::Other(text) => text.trim().into(),
        };
        let mut spelt = vocabulary.spell(&text);
        spelt.truncate(most.unwrap_or(usize::MAX));
        if spelt.is_empty() {
            return Err(ExplainError::Empty);
        }
        let own = matches!(caption, Which::Other(_));
        if own && spelt.iter().all(|(_, number)| *number == UNKNOWN) {
            let known = || (4..).map_while(|number| vocabulary.word(number));
            let mut proposed: Vec<String> = spelt.iter().flat_map(|(word, _)| near(word, known())).collect();
            proposed.dedup();
            let remedy = match proposed.is_empty() {
                true => {
                    let plain: Vec<&str> = known()
                        .filter(|word| word.len() > 2 && word.chars().all(char::is_alphabetic))
                        .collect();
                    let some: Vec<&str> = plain.iter().copied().step_by(plain.len() / 8 + 1).collect();
                    format!(
                        "use words of the captions that it was trained on, such as {}",
                        some.join(", ")
                    )
                }
                false => format!("did you mean {}?", proposed.join(", ")),
            };
            let words: Vec<&str> = spelt.iter().map(|(word, _)| word.as_str()).collect();
            return Err(ExplainError::Unknown {
                words: words.join(", "),
                remedy,
            });
        }
        Ok(Words { text, spelt })
    }
}

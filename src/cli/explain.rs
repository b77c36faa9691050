//! `tailor explain`: why an image and a caption score as they do.

mod choose;
mod page;

use super::eval::{self, Target};
use super::session::{EvalFlags, PairSession, PairVerb, Session, for_matching};
use super::{CliError, RUNS, say};
use crate::data::ImageRef;
use crate::data::pairs::{Face, Faces};
use crate::data::text::UNKNOWN;
use crate::device::{self, Choice, Device};
use crate::files;
use crate::papers::{Explanation, Map, Match, PairPaper, captions};
use crate::report::html::shorten;
use burn::tensor::{Tensor, TensorData};
pub use choose::ExplainError;
use choose::{Which, Words};
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Shows why an image and a caption score as they do: where each word looks, and what carried the score.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tailor explain matcher --image 17 --page why.html
  tailor explain matcher --image 17 --caption \"a chair of oak\" --page why.html
  tailor explain matcher --image photo.jpg --caption \"a red sofa\" --json
  tailor explain matcher --caption 40 --set eval.split=valid

Images and captions are those of the evaluated split, numbered from 0.")]
pub struct ExplainArgs {
    /// A run's folder or name, or a recipe with --weights.
    run: String,
    /// An image of the evaluated split by its id or number, or, where features are computed here, a picture's file. Without it, the
    /// caption's first image.
    #[arg(long, value_name = "ID|N|FILE")]
    image: Option<String>,
    /// A caption of the evaluated split by its number, or any text. Without it, the image's first caption.
    #[arg(long, value_name = "N|TEXT")]
    caption: Option<String>,
    /// Write a page with the picture and what each word attends to.
    #[arg(long, visible_alias = "out", value_name = "FILE.html")]
    page: Option<PathBuf>,
    /// Print all numbers as JSON on stdout.
    #[arg(long)]
    json: bool,
    /// For a run: best, last, ema or a file; without it, what `tailor eval` takes. For a recipe: a file.
    #[arg(long)]
    weights: Option<String>,
    /// auto, cpu, cuda[:i], wgpu[:i] or vulkan[:i].
    #[arg(long, default_value = "auto")]
    device: String,
    /// Change a setting: `--set data.root=/elsewhere`. Many times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// The folder that runs are looked for in.
    #[arg(long, default_value = RUNS, value_name = "DIR")]
    runs: PathBuf,
}

/// A pair, and why it scores as it does.
struct Explained {
    /// The run, or the recipe.
    name: String,
    /// The data and its split.
    data: String,
    weights: String,
    /// The image's number in the split; none of a picture from elsewhere.
    image: Option<usize>,
    face: Face,
    /// Its own captions.
    own: Vec<String>,
    /// The caption's number in the split; none of any other text.
    caption: Option<usize>,
    text: String,
    words: Vec<Word>,
    /// Whether they belong together, where that is known.
    right: Option<bool>,
    /// The grid's side, where regions are cells of one.
    grid: Option<usize>,
    explanation: Explanation,
}

/// What the model reads.
struct Word {
    text: String,
    known: bool,
}

/// Runs the verb.
pub fn run(args: ExplainArgs) -> crate::Result<()> {
    let target = eval::target(&args.run, args.weights.as_deref(), &args.sets, &args.runs)?;
    let device = device::resolve(args.device.parse::<Choice>()?)?.device;
    let recipe = target.recipe.clone();
    for_matching(&recipe, "explain", Explaining { args, target, device })
}

struct Explaining {
    args: ExplainArgs,
    target: Target,
    device: Device,
}

impl PairVerb for Explaining {
    type Output = ();

    fn on<P: PairPaper>(self) -> crate::Result<()> {
        let Self { args, target, device } = self;
        let Some((path, which)) = target.weights.clone() else {
            return Err(CliError::NoWeights(args.run).into());
        };
        let run = target.run.as_deref().and_then(Path::file_name);
        let name = run.map_or_else(
            || target.recipe.name.clone(),
            |run| run.to_string_lossy().into_owned(),
        );
        let plan = PairSession::<P>::read(target.recipe)?;
        let tensors = PairSession::<P>::weights(&plan, &path)?;
        let flags = EvalFlags {
            run: target.run,
            ..EvalFlags::default()
        };
        let session = PairSession::<P>::open_to_evaluate(plan, flags, Some(&tensors), &device)?;
        let Faces { all: faces, notes } = session.faces()?;
        for note in &notes {
            say!("note     {note}");
        }
        // What is asked for is looked up before a model is made.
        let split = session.evaluated();
        let place = choose::Place {
            faces: &faces,
            split,
            name: session.split_name(),
            makes_features: session.source().grid().is_some(),
        };
        let (image, caption) = place.pair(args.image.as_deref(), args.caption.as_deref())?;
        let vocabulary = session.source().vocabulary();
        let Words { text, mut spelt } = place.words(&caption, vocabulary, session.plan.data.max_words())?;
        let unknown: Vec<&str> = spelt
            .iter()
            .filter(|(_, number)| *number == UNKNOWN)
            .map(|(word, _)| word.as_str())
            .collect();
        if !unknown.is_empty() {
            say!(
                "note     the model does not know these words and reads them all alike: {}",
                unknown.join(", ")
            );
        }
        spelt.insert(0, ("<start>".into(), 1));
        spelt.push(("<end>".into(), 2));

        let [_, regions, dim] = split.features.shape();
        let (number, face) = match &image {
            Which::Number(number) => (Some(*number), faces[*number].clone()),
            Which::Other(path) => (
                None,
                Face {
                    id: path.clone(),
                    picture: Some(ImageRef::File(path.into())),
                    ..Face::default()
                },
            ),
        };
        let mut values = vec![0.0; regions * dim];
        match (number, session.source().grid(), &face.picture) {
            (Some(number), ..) => split.read(number, &mut values)?,
            (None, Some(grid), Some(picture)) => values = grid.features_of(picture, &device)?,
            _ => unreachable!("a picture from elsewhere was refused where features are not computed"),
        }

        say!("weights  {} ({which})", path.display());
        let (model, _) = session.model(&device)?;
        let model = eval::apply(model, &tensors, &path)?;
        let features = Tensor::from_data(TensorData::new(values, [1, regions, dim]), &device);
        let ids: Vec<i32> = spelt.iter().map(|(_, number)| *number as i32).collect();
        let lengths = vec![ids.len()];
        let (ids, lengths) = captions(ids, lengths, &device);
        let explanation = model.explain(&model.images(features), &model.captions(ids, lengths))?;

        let caption = match caption {
            Which::Number(number) => Some(number),
            Which::Other(_) => None,
        };
        let explained = Explained {
            name,
            data: format!("{} ({})", session.name(), session.split_name()),
            weights: format!("{} ({which})", path.display()),
            own: number
                .map(|image| {
                    let own = split.truth.captions_of(image).iter();
                    own.map(|&caption| split.texts[caption as usize].clone())
                        .collect()
                })
                .unwrap_or_default(),
            image: number,
            face,
            right: number
                .zip(caption)
                .map(|(image, caption)| split.truth.is_right(image, caption)),
            caption,
            text,
            words: spelt
                .into_iter()
                .map(|(text, number)| Word {
                    text,
                    known: number != UNKNOWN,
                })
                .collect(),
            grid: session.source().grid().map(|grid| grid.side()),
            explanation,
        };
        if let Some(path) = &args.page {
            let part = |width, height| session.source().grid()?.part(width, height);
            let page = page::html(&explained, &part, session.plan.data.decode());
            files::write_whole(path, |file| file.write_all(page.as_bytes()))?;
        }
        let mut text = match args.json {
            true => format!("{}\n", explained.to_json()),
            false => explained.to_text(),
        };
        if let (Some(path), false) = (&args.page, args.json) {
            text.push_str(&format!("look     {}\n", path.display()));
        }
        super::print(&text)
    }
}

impl Explained {
    /// In (0, 1).
    fn score(&self) -> f32 {
        1.0 / (1.0 + (-self.explanation.logit).exp())
    }

    /// What the parts of the pair are called: its global similarity, its words.
    fn parts(&self) -> Vec<String> {
        let words = self.words.iter().map(|word| word.text.clone());
        std::iter::once("(the whole)".to_string()).chain(words).collect()
    }

    /// The region that a word attends to most, and how much.
    fn most(&self, word: usize) -> (usize, f32) {
        let row = self.explanation.attention.row(word).iter().copied().enumerate();
        row.fold((0, 0.0), |best, one| if one.1 > best.1 { one } else { best })
    }

    /// A region's name: its row and column in the grid, else its number.
    fn region(&self, region: usize) -> String {
        match self.grid {
            Some(side) => format!("row {}, column {}", region / side, region % side),
            None => format!("region {region}"),
        }
    }

    fn to_json(&self) -> Value {
        let map = |map: &Map| json!({"shape": map.shape, "values": map.rows().collect::<Vec<_>>()});
        let Explanation {
            logit,
            attention,
            filtration,
            edges,
            sketches,
        } = &self.explanation;
        json!({
            "run": self.name,
            "data": self.data,
            "weights": self.weights,
            "image": {"number": self.image, "id": self.face.id, "captions": self.own},
            "caption": {"number": self.caption, "text": self.text,
                "words": self.words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>(),
                "unknown": self.words.iter().filter(|word| !word.known).map(|word| word.text.as_str()).collect::<Vec<_>>()},
            "belong_together": self.right,
            "score": self.score(),
            "logit": logit,
            "grid": self.grid.map(|side| [side, side]),
            "parts": self.parts(),
            "attention": map(attention),
            "filtration": filtration.as_ref().map(|filtration| json!({
                "weights": filtration.weights, "shares": filtration.shares, "bias": filtration.bias})),
            "edges": edges.iter().map(map).collect::<Vec<_>>(),
            "sketches": sketches.as_ref().map(|[image, caption]| json!({"image": map(image), "caption": map(caption)})),
        })
    }

    /// A line for each part.
    fn to_text(&self) -> String {
        let clean = |text: &str| -> String {
            let text = text.chars().map(|c| if c.is_control() { '?' } else { c });
            shorten(&text.collect::<String>(), 80).into_owned()
        };
        let mut text = format!(
            "\nimage    {}\ncaption  {}\nscore    {:.3}{}\n\n",
            clean(&self.face.id),
            clean(&self.text),
            self.score(),
            match self.right {
                Some(true) => ", they belong together",
                Some(false) => ", they do not belong together",
                None => "",
            }
        );
        let parts: Vec<String> = self.parts().iter().map(|part| clean(part)).collect();
        let width = parts.iter().map(|part| part.chars().count()).max().unwrap_or(0) + 2;
        let filtration = self.explanation.filtration.as_ref();
        let heads = if filtration.is_some() {
            "weight   share  "
        } else {
            ""
        };
        text.push_str(&format!("{:width$}{heads}looks at\n", "part"));
        for (at, part) in parts.iter().enumerate() {
            let mut line = format!("{part:width$}");
            if let Some(filtration) = filtration {
                line.push_str(&format!(
                    "{:>6.3}  {:>+6.3}  ",
                    filtration.weights[at], filtration.shares[at]
                ));
            }
            if at > 0 {
                let (region, share) = self.most(at - 1);
                line.push_str(&format!("{} ({:.0} %)", self.region(region), 100.0 * share));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text.push('\n');
        text
    }
}

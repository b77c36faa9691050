//! The model card.

use super::Folder;
use super::config::Config;
use crate::export::dtype::Dtype;
use crate::report::figures::{EvalReport, Protocol, with_interval};
use std::fmt::Write as _;

/// `README.md`.
pub fn card(folder: &Folder<'_>, config: &Config) -> String {
    let mut text = front_matter(config);
    let about = folder.about;
    let (recipe, dim) = (folder.recipe_name, folder.dim);
    let [_, height, width] = folder.preprocessing.output;
    let trained_on = match about.dataset.is_empty() {
        true => String::new(),
        false => format!(" on {}", one_line(&about.dataset)),
    };
    let _ = write!(
        text,
        "\n# {recipe}\n\nAn encoder of pictures for visual search: a picture of {height} × {width} pixels (height × width) becomes an \
         embedding of {dim} numbers, to be compared by cosine. Trained{trained_on} by tailor's recipe `{recipe}` (in \
         `recipe.toml`, whole), after:\n\n> {} ({}), {}\n\n",
        one_line(&about.title),
        about.year,
        one_line(&about.source)
    );
    text.push_str(&usage(folder, config));
    text.push_str(&figures(folder));
    let _ = write!(
        text,
        "\n## Details\n\n| | |\n|---|---|\n| weights | {}, hash `{}` |\n| stored as | {} |\n| module | `{}` |\n\n\
         The classifier of the module is the batch norm that the embedding leaves through (a BNNeck), written as the linear layer that it is \
         in evaluation mode.\n",
        folder.weights,
        folder.hash,
        stored(folder),
        folder.layout.factory
    );
    text.push_str(
        "\n## Licence and limits\n\nTo be filled in by whoever publishes the model: the licence (also at the top of this file), what the \
         training data allow, and what the model should not be used for.\n",
    );
    text
}

fn front_matter(config: &Config) -> String {
    let library = if config.timm.is_some() {
        "timm"
    } else {
        "torchvision"
    };
    format!(
        "---\nlibrary_name: {library}\npipeline_tag: image-feature-extraction\ntags:\n- image-feature-extraction\n- image-retrieval\n\
         - visual-search\n# license: fill in, for instance apache-2.0\n---\n"
    )
}

fn usage(folder: &Folder<'_>, config: &Config) -> String {
    let mut text = "## Use\n\n".to_string();
    match (&config.timm, config.transform) {
        (Some(_), true) => text.push_str(
            "```python\nimport timm, torch\nfrom PIL import Image\n\nmodel = timm.create_model(\"local-dir:PATH\", pretrained=True).eval()  \
             # or hf-hub:USER/NAME\nprepare = timm.data.create_transform(**timm.data.resolve_data_config(model.pretrained_cfg))\n\
             image = prepare(Image.open(\"photo.jpg\").convert(\"RGB\"))[None]\n\
             embedding = torch.nn.functional.normalize(model(image))\n```\n",
        ),
        (Some(_), false) => text.push_str(
            "```python\nimport timm, torch\n\nmodel = timm.create_model(\"local-dir:PATH\", pretrained=True).eval()  # or hf-hub:USER/NAME\n\
             embedding = torch.nn.functional.normalize(model(image))  # image: as preprocessing.json says\n```\n",
        ),
        (None, _) => {
            let module = folder.layout.factory.split('.').next().unwrap_or("torchvision");
            let _ = writeln!(
                text,
                "```python\nimport torch, {module}\nfrom safetensors.torch import load_file\n\nm = {}()",
                folder.layout.factory
            );
            for line in &folder.layout.python {
                let _ = writeln!(text, "{line}");
            }
            text.push_str(
                "m.load_state_dict(load_file(\"model.safetensors\"))\nm.eval()\n\
                 embedding = torch.nn.functional.normalize(m(image))  # image: as preprocessing.json says\n```\n",
            );
        }
    }
    text.push_str(
        "\n`preprocessing.json` says exactly how a picture becomes an input, operation by operation.\n",
    );
    text
}

fn figures(folder: &Folder<'_>) -> String {
    let mut text = "\n## Figures\n\n".to_string();
    let Some(eval) = &folder.eval else {
        text.push_str("Not measured.\n");
        return text;
    };
    match &eval.weights_hash {
        Some(hash) if *hash == folder.hash => {}
        _ => {
            let _ = write!(
                text,
                "**These are not the figures of the weights in this folder**, but of others of the same run ({}).\n\n",
                one_line(eval.weights.as_deref().unwrap_or("not known which"))
            );
        }
    }
    let _ = write!(
        text,
        "On {}, split {}{}; in brackets 95 % intervals by bootstrap over identities. Shares in percent.\n\n",
        one_line(&eval.data),
        eval.split,
        eval.seed.map_or(String::new(), |seed| format!(", seed {seed}"))
    );
    text.push_str(&table(eval));
    for protocol in eval.protocols() {
        let Protocol {
            protocol,
            queries,
            gallery,
            skipped,
            ..
        } = protocol;
        let skipped = match skipped {
            0 => String::new(),
            n => format!(" ({n} with nothing to find are in no figure)"),
        };
        let _ = writeln!(
            text,
            "- {protocol}: {queries} queries{skipped}, gallery of {gallery}"
        );
    }
    if let Some(note) = eval.unsure() {
        let _ = writeln!(text, "- {note}");
    }
    if let Some(rounding) = &folder.rounding {
        let _ = write!(
            text,
            "\nMeasured with f32 weights. Those of this folder are {}: embeddings of a few pictures differ by at most {:.1e} of the \
             largest value (1 - cosine {:.1e}).\n",
            folder.dtype.name(),
            rounding.relative,
            rounding.cosine
        );
    }
    text
}

/// Metrics down, protocols across: figures of different protocols never share a column.
fn table(eval: &EvalReport) -> String {
    let mut names: Vec<&str> = Vec::new();
    for protocol in eval.protocols() {
        for (name, _) in &protocol.metrics.0 {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
    }
    let mut text = "| metric |".to_string();
    for protocol in eval.protocols() {
        let _ = write!(text, " {} |", cell(&protocol.protocol));
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(eval.protocols().count()));
    text.push('\n');
    for name in names {
        let _ = write!(text, "| {} |", cell(name));
        for protocol in eval.protocols() {
            let figure = protocol.metrics.get(name);
            let _ = write!(
                text,
                " {} |",
                figure.map_or("–".into(), |figure| with_interval(name, figure))
            );
        }
        text.push('\n');
    }
    text.push('\n');
    text
}

fn stored(folder: &Folder<'_>) -> String {
    match folder.dtype {
        Dtype::F32 => "f32".into(),
        dtype => format!("kernels {}; norms, biases and the classifier f32", dtype.name()),
    }
}

/// Text of a recipe or report on one line, without what Markdown would take for a heading or a quotation.
fn one_line(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('<', "&lt;")
}

fn cell(text: &str) -> String {
    one_line(text).replace('|', "\\|")
}

use super::*;
use crate::train::run_folder::{Best, RunInfo, Status};
use clap::Parser;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    runs: RunsArgs,
}

/// A run with this seed, learning rate and recall; -1 leaves the evaluation out.
fn make(dir: &Path, name: &str, seed: u64, lr: f64, recall: f64, protocol: &str) {
    let info = RunInfo {
        recipe: "ctl".to_string(),
        seed,
        ..Default::default()
    };
    let recipe = format!("[train]\nseed = {seed}\n[optimizer]\nlr = {lr}\n");
    let mut run = RunFolder::create(dir, name, info, &recipe).unwrap();
    run.update(|info| {
        info.created = "2024-02-29T00:00:00Z".to_string();
        info.best = Some(Best {
            step: 40,
            metric: "valid/mAP".to_string(),
            value: 0.5,
        });
    })
    .unwrap();
    run.set_status(Status::Finished, 60).unwrap();
    if recall >= 0.0 {
        let metrics =
            json!({"recall@1": {"value": recall, "low": recall - 0.01, "high": recall + 0.01}, "mAP": 0.5});
        let eval = json!({"recipe": "ctl", "data": "wardrobe", "split": "test", "protocol": protocol, "metrics": metrics});
        run.write_eval(&eval).unwrap();
    }
}

#[test]
fn the_list_names_every_run_and_damage_hides_none() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    assert!(list(dir, false, 0).unwrap().starts_with("no runs in "));
    make(dir, "a", 1, 0.1, 0.7, "standard");
    make(dir, "b", 2, 0.1, -1.0, "standard");
    make(dir, "c", 3, 0.1, 0.7, "standard");
    std::fs::write(dir.join("c/run.json"), "{").unwrap();
    std::fs::create_dir(dir.join("not-a-run")).unwrap();
    let now = name::seconds("2024-03-01T00:00:00Z").unwrap();
    let text = list(dir, false, now).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 5, "{text}");
    assert_eq!(
        lines[0],
        "run  recipe  status    step  seed  best                 recall@1  mAP   age"
    );
    assert_eq!(
        lines[1],
        "a    ctl     finished  60    1     valid/mAP 50.0 @ 40  70.0      50.0  24 h"
    );
    assert_eq!(
        lines[2],
        "b    ctl     finished  60    2     valid/mAP 50.0 @ 40                  24 h"
    );
    assert!(
        lines[3].starts_with("c            damaged") && lines[4].contains("run.json"),
        "{text}"
    );
    let json: Value = serde_json::from_str(&list(dir, true, now).unwrap()).unwrap();
    assert_eq!(json["runs"][0]["metrics"]["recall@1"]["high"], 0.71);
    assert_eq!(json["runs"][1]["metrics"], json!({}));
    assert_eq!(json["runs"][2]["status"], "damaged");
    // Before the first run there is no folder.
    let none = list(&dir.join("nowhere"), false, 0).unwrap();
    assert!(none.starts_with("no runs in ") && none.contains("nowhere"), "{none}");

    let text = show(&dir.join("a"), false).unwrap();
    assert!(
        text.contains("recall@1     70.0 [69.0, 71.0]") && text.contains("protocol standard"),
        "{text}"
    );
    let json: Value = serde_json::from_str(&show(&dir.join("b"), true).unwrap()).unwrap();
    assert_eq!((&json["run"]["seed"], &json["eval"]), (&json!(2), &Value::Null));
}

#[test]
fn runs_are_compared_within_one_protocol_and_over_seeds() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    make(dir, "a", 1, 0.1, 0.70, "standard");
    make(dir, "b", 2, 0.1, 0.74, "standard");
    make(dir, "c", 3, 0.2, 0.80, "standard");
    make(dir, "d", 4, 0.1, 0.90, "cross-camera");
    make(dir, "e", 5, 0.1, -1.0, "");
    let folders: Vec<PathBuf> = ["a", "b", "c", "d", "e"].iter().map(|n| dir.join(n)).collect();
    let report = compare::compare(&folders).unwrap();
    let text = report.to_text();
    let find = |start: &str| {
        text.lines()
            .find(|l| l.starts_with(start))
            .unwrap_or_else(|| panic!("{start}: {text}"))
    };
    let recall = find("recall@1");
    assert!(recall.contains("70.0 [69.0, 71.0]") && recall.contains("80.0") && !recall.contains("90.0"));
    let crossed = text.split("protocol cross-camera\n").nth(1).unwrap();
    assert!(crossed.starts_with("metric    d\n"), "{text}");
    // Two values 0.70 and 0.74: mean 0.72, sample deviation 0.02 · √2.
    assert!(find("metric").ends_with("mean ± deviation (a, b)"), "{text}");
    assert!(recall.ends_with("72.0 ± 2.8"), "{text}");
    assert!(find("mAP").ends_with("50.0 ± 0.0"), "{text}");
    assert_eq!(
        find("optimizer.lr")
            .split_whitespace()
            .skip(1)
            .collect::<Vec<_>>(),
        ["0.1", "0.1", "0.2", "0.1", "0.1"]
    );
    assert!(find("train.seed").ends_with('5'));
    assert!(text.contains("e has not been evaluated (status: finished)"));

    let json = report.to_json();
    assert_eq!(json["groups"].as_array().unwrap().len(), 2);
    assert_eq!(json["groups"][0]["metrics"]["recall@1"]["b"]["value"], 0.74);
    assert_eq!(json["groups"][0]["seeds"][0]["runs"], json!(["a", "b"]));
    assert_eq!(json["recipe_differences"]["optimizer.lr"]["c"], "0.2");

    let same = compare::compare(&[dir.join("a"), dir.join("a")])
        .unwrap()
        .to_text();
    assert!(
        same.contains("the recipes are the same") && !same.contains("mean ±"),
        "{same}"
    );
    std::fs::write(dir.join("a/recipe.toml"), "[train").unwrap();
    let error = compare::compare(&folders).err().unwrap().to_string();
    assert!(error.contains("recipe.toml"), "{error}");
}

#[test]
fn the_command_line_is_read() {
    let parse = |words: &[&str]| Line::try_parse_from(["runs"].iter().chain(words)).map(|line| line.runs);
    assert_eq!(parse(&[]).unwrap().dir, Path::new("checkpoints"));
    let listed = parse(&["elsewhere", "--json"]).unwrap();
    assert!(listed.json && listed.verb.is_none() && listed.dir == Path::new("elsewhere"));
    assert!(matches!(
        parse(&["show", "a"]).unwrap().verb,
        Some(RunsVerb::Show(_))
    ));
    let Some(RunsVerb::Compare(args)) = parse(&["compare", "a", "b", "--json"]).unwrap().verb else {
        panic!()
    };
    assert!(args.json && args.runs == ["a", "b"]);
    assert!(parse(&["compare", "a"]).is_err());
}

//! What a reader says of sections.

use std::collections::BTreeMap;

use proptest::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::recipe::Recipe;
use crate::recipe::fault::{Fault, RecipeErrors, rendered};
use crate::recipe::load::load_from;

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
struct Loss {
    /// The distance that a negative is kept away by.
    #[schemars(range(min = 0.0, max = 2.0))]
    margin: f32,
    #[serde(default)]
    mining: Mining,
    center: Option<Center>,
}

#[derive(Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Mining {
    #[default]
    BatchHard,
    BatchAll,
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
struct Center {
    weight: f64,
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
struct Train {
    epochs: u32,
    #[serde(default)]
    amp: bool,
    #[serde(default)]
    milestones: Vec<u32>,
    seed: Option<u64>,
    size: Option<[u32; 2]>,
    #[serde(default)]
    augment: Vec<Augment>,
    #[serde(default)]
    scales: BTreeMap<String, f32>,
    name: Option<String>,
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Augment {
    /// Mirrors left and right.
    Flip {
        #[schemars(range(min = 0.0, max = 1.0))]
        p: f32,
    },
    RandomErase(Erase),
    Grey,
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
struct Erase {
    p: f32,
    #[schemars(length(min = 1))]
    fill: Option<Vec<u8>>,
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
struct Schedule {
    #[serde(flatten)]
    kind: Kind,
    warmup: Option<u32>,
    until: Option<Until>,
    pool: Option<Pool>,
    #[schemars(extend("exclusiveMinimum" = 0))]
    scale: Option<f32>,
    #[schemars(range(max = 9), extend("exclusiveMaximum" = 5, "exclusiveMinimum" = 0))]
    level: Option<u8>,
    #[serde(default)]
    drops: BTreeMap<u32, f32>,
    #[schemars(regex(pattern = r"^[a-z]+$"), length(min = 1))]
    tag: Option<String>,
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Kind {
    Step { every: u32 },
    Cosine { floor: f32 },
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Until {
    Epoch(u32),
    Named(String),
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Pool {
    Mean,
    Gem(f32),
    Window { size: u32 },
}

fn recipe(text: &str, sets: &[&str]) -> Recipe {
    let sets: Vec<String> = sets.iter().map(|set| set.to_string()).collect();
    load_from(&[("r", text)], "r", &sets).unwrap()
}

type Sections = (Option<Loss>, Option<Train>, Option<Schedule>);

fn read(recipe: &Recipe) -> Result<Sections, RecipeErrors> {
    let mut reader = recipe.reader();
    let sections = (
        reader.section("loss"),
        reader.section("train"),
        reader.section("schedule"),
    );
    reader.finish().map(|()| sections)
}

fn faults(text: &str, sets: &[&str]) -> Vec<String> {
    let errors = read(&recipe(text, sets)).unwrap_err();
    let line = |fault: &Fault| {
        let place = fault
            .place()
            .map(|place| format!("{}: ", place.line()))
            .unwrap_or_default();
        format!(
            "{place}{} | {}",
            fault.message(),
            fault.remedy().unwrap_or("NO HELP")
        )
    };
    errors.faults().iter().map(line).collect()
}

#[test]
fn unknown_keys_and_sections_name_the_nearest() {
    assert_eq!(
        faults(
            "[loss]\nmargn = 0.3\nfoo = 1\nwarmup = 3\n[trian]\nepochs = 1\n[zzz]\nx = 1\n",
            &[]
        ),
        [
            "1: `loss.margin` is missing | write margin = …, a number (The distance that a negative is kept away by)",
            "2: unknown key `loss.margn` | did you mean `margin`?",
            "3: unknown key `loss.foo` | the keys here are `margin`, `mining`, `center`",
            "4: unknown key `loss.warmup` | `warmup` belongs in the section [schedule]",
            "5: unknown section `trian` | did you mean [train]?",
            "7: unknown section `zzz` | the sections are [loss], [schedule], [train]",
        ]
    );
    // What other tools call a key.
    assert_eq!(
        faults(
            "[loss]\nmargin = 1\nmax_epochs = 3\n[train]\nepochs = 1\nrandom_seed = 3\n",
            &[]
        )
        .into_iter()
        .filter(|fault| fault.contains("unknown"))
        .collect::<Vec<_>>(),
        [
            "3: unknown key `loss.max_epochs` | `epochs` belongs in the section [train]",
            "6: unknown key `train.random_seed` | did you mean `seed`?",
        ]
    );
    assert_eq!(
        faults("margin = 3\nbla = 1", &[]),
        [
            "1: unknown key `margin` | it belongs in the section [loss]",
            "2: unknown key `bla` | keys belong in a section; the sections are [loss], [schedule], [train]",
        ]
    );
}

#[test]
fn wrong_types_say_how_the_value_was_meant() {
    assert_eq!(
        faults("[loss]\nmargin = '0.3'\nmining = 3\ncenter = 1\n", &[]),
        [
            "2: `loss.margin` should be a number, and is a string | write it without quotes: margin = 0.3",
            "3: `loss.mining` should be a name, and is an integer | write one of \"batch-hard\" or \"batch-all\"",
            "4: `loss.center` should be a table, and is an integer | write a table",
        ]
    );
    let text = "[train]\nepochs = 1.5\namp = 'yes'\nmilestones = [1, 'b', '3']\nsize = 3\nname = 2024-01-01\n\
                scales = { a = 'b', b = 1 }\naugment = {}\nseed = 3.0\n";
    assert_eq!(
        faults(
            text,
            &["schedule.kind=step", "schedule.every=1", "schedule.tag=3"]
        ),
        [
            "2: `train.epochs` should be an integer, and is a number with a fraction | write a whole number",
            "3: `train.amp` should be true or false, and is a string | write amp = true",
            "4: `train.milestones[1]` should be an integer, and is a string | write an integer",
            "4: `train.milestones[2]` should be an integer, and is a string | write it without quotes: 3",
            "5: `train.size` should be an array, and is an integer | write it in brackets: size = [3]",
            "6: `train.name` should be a string, and is a date | write it in quotes: name = \"2024-01-01\"",
            "7: `train.scales.a` should be a number, and is a string | write a number",
            "8: `train.augment` should be an array, and is a table | write an array",
            "9: `train.seed` should be an integer, and is a number with a fraction | write it without a fraction: seed = 3",
            "1: `schedule.tag` should be a string, and is an integer | write it in quotes: --set 'schedule.tag=\"3\"'",
        ]
    );
    assert_eq!(
        faults("loss = 3\n[[train]]\nx = 1", &[]),
        [
            "1: `loss` should be a table, and is an integer | write a table",
            "2: `train` should be a table, and is an array | write a table",
        ]
    );
}

#[test]
fn bounds_and_lengths_are_held() {
    let text = "[loss]\nmargin = 3\n[train]\nepochs = 5000000000\nmilestones = [-1]\nsize = [1]\n[schedule]\n\
                kind = 'cosine'\nfloor = 1e39\nscale = 0\ntag = 'A'\npool = { gem = nan }\ndrops = { x = 1, 3 = 1 }\nlevel = 5\n";
    assert_eq!(
        faults(text, &[]),
        [
            "2: `loss.margin` is too large: it must be at least 0 and at most 2 | write a number within these bounds",
            "4: `train.epochs` is too large: 32 bits hold no such number | write a smaller number",
            "5: `train.milestones[0]` is too small: it must be at least 0 | write a number within these bounds",
            "6: `train.size` has 1 value, not 2 | write 2 values in the brackets",
            "9: `schedule.floor` is too large: 32 bits hold no such number | write a smaller number",
            "10: `schedule.scale` is too small: it must be above 0 | write a number within these bounds",
            "11: `schedule.tag` cannot be \"A\" | it must match the regular expression ^[a-z]+$",
            "12: `schedule.pool.gem` is not a finite number | write a number; leave the key out where it is optional",
            "13: unknown key `schedule.drops.x` | no keys belong here",
            "14: `schedule.level` is too large: it must be above 0 and below 5 | write a number within these bounds",
        ]
    );
}

#[test]
fn variants_say_which_there_are() {
    let text = "[train]\nepochs = 1\naugment = [\n'flip',\n{ op = 3 },\n{ op = 'flip', p = 2 },\n{ op = 'flop' },\n\
                { p = 1 },\n{ op = 'random_erase', fill = [], q = 3 },\n{ op = 'grey', fill = 1 },\n]";
    assert_eq!(
        faults(text, &[]),
        [
            "4: `train.augment[0]` should be a table, and is a string | write { op = \"flip\", … }; `op` can be \"flip\", \"random_erase\" or \"grey\"",
            "5: `train.augment[1].op` should be a name, and is an integer | write one of \"flip\", \"random_erase\" or \"grey\"",
            "6: `train.augment[2].p` is too large: it must be at least 0 and at most 1 | write a number within these bounds",
            "7: `train.augment[3].op` cannot be \"flop\" | did you mean \"flip\"? it can be \"flip\", \"random_erase\" or \"grey\"",
            "8: `train.augment[4]` lacks the key `op` | write op = one of \"flip\", \"random_erase\" or \"grey\"",
            "9: `train.augment[5].p` is missing | write p = …, a number",
            "9: `train.augment[5].fill` is empty | write at least 1 value in the brackets",
            "9: unknown key `train.augment[5].q` | the keys here are `op`, `p`, `fill`",
            "10: `train.augment[6].fill` is no key of op = \"grey\" | it belongs to op = \"random_erase\"",
        ]
    );
    let schedule = |rest: &str| faults(&format!("[schedule]\nkind = 'step'\n{rest}"), &[]);
    assert_eq!(
        schedule("floor = 2"),
        [
            "1: `schedule.every` is missing | write every = …, an integer",
            "3: `schedule.floor` is no key of kind = \"step\" | it belongs to kind = \"cosine\"",
        ]
    );
    assert_eq!(
        schedule("every = 1\nuntil = 1.5\npool = 'gem'"),
        [
            "4: `schedule.until` should be an integer or a string, and is a number with a fraction | write it in quotes: until = \"1.5\"",
            "5: `schedule.pool` = \"gem\" needs a value of its own | write { gem = … }",
        ]
    );
    assert_eq!(
        schedule("every = 1\nuntil = -1\npool = { gm = 1 }"),
        [
            "4: `schedule.until` is too small: it must be at least 0 | write a number within these bounds",
            "5: `schedule.pool` cannot be `gm` | did you mean `gem`? it can be \"mean\", \"gem\" or \"window\"",
        ]
    );
    assert_eq!(
        schedule("every = 1\npool = { window = { siz = 1 } }"),
        [
            "4: `schedule.pool.window.size` is missing | write size = …, an integer",
            "4: unknown key `schedule.pool.window.siz` | did you mean `size`?",
        ]
    );
}

#[test]
fn what_is_right_is_read() {
    let text = "[loss]\nmargin = 1\nmining = 'batch-all'\ncenter.weight = 5e-4\n[train]\nepochs = 0x10\namp = true\n\
                milestones = [40, 70]\nsize = [256, 128]\nscales.a = 2\nname = 'n'\n\
                augment = [{ op = 'flip', p = 1 }, { op = 'random_erase', p = 0.5, fill = [1] }, { op = 'grey' }]\n\
                [schedule]\nkind = 'cosine'\nfloor = 0\nuntil = 'end'\npool = { gem = 3 }\ndrops = { 40 = 0.1 }\n";
    let (loss, train, schedule) = read(&recipe(text, &["train.seed=7", "schedule.warmup=2"])).unwrap();
    let loss = loss.unwrap();
    assert_eq!(
        loss,
        Loss {
            margin: 1.0,
            mining: Mining::BatchAll,
            center: Some(Center { weight: 5e-4 })
        }
    );
    let train = train.unwrap();
    assert_eq!(
        (train.epochs, train.amp, train.seed, train.size),
        (16, true, Some(7), Some([256, 128]))
    );
    let erase = Augment::RandomErase(Erase {
        p: 0.5,
        fill: Some(vec![1]),
    });
    assert_eq!(train.augment, [Augment::Flip { p: 1.0 }, erase, Augment::Grey]);
    assert_eq!((train.scales["a"], train.name.as_deref()), (2.0, Some("n")));
    let schedule = schedule.unwrap();
    assert_eq!(schedule.kind, Kind::Cosine { floor: 0.0 });
    assert_eq!(
        (schedule.until, schedule.pool),
        (Some(Until::Named("end".into())), Some(Pool::Gem(3.0)))
    );
    assert_eq!(
        (schedule.warmup, schedule.drops),
        (Some(2), BTreeMap::from([(40, 0.1)]))
    );
    // The same from the text that the run folder keeps.
    let again = recipe(&recipe(text, &[]).resolved(), &[]);
    assert_eq!(read(&again).unwrap().0.unwrap(), loss);
}

#[test]
fn an_error_in_the_base_names_the_line_of_the_base() {
    let shelf = [
        (
            "base",
            "# head\n[loss]\nmargin = 0.1\nmarg = 1\n[schedule]\nkind = 'step'\nevery = 3\n",
        ),
        (
            "mine",
            "extends = 'base'\n[loss]\nmargin = 9\n[schedule]\nkind = 'cosine'\nfloor = 0\n",
        ),
    ];
    let sets = ["loss.mining=hard".to_owned()];
    let errors = read(&load_from(&shelf, "mine", &sets).unwrap()).unwrap_err();
    insta::assert_snapshot!(rendered(&errors), @r#"
      × the recipe mine (built-in) has 4 errors

    Error:
      × `loss.margin` is too large: it must be at least 0 and at most 2
       ╭─[mine (built-in):3:10]
     2 │ [loss]
     3 │ margin = 9
       ·          ┬
       ·          ╰── too large
     4 │ [schedule]
       ╰────
      help: write a number within these bounds

    Error:
      × unknown key `loss.marg`
       ╭─[base (built-in):4:1]
     3 │ margin = 0.1
     4 │ marg = 1
       · ──┬─
       ·   ╰── unknown
     5 │ [schedule]
       ╰────
      help: did you mean `margin`?

    Error:
      × `schedule.every` is no key of kind = "cosine"
       ╭─[base (built-in):7:1]
     6 │ kind = 'step'
     7 │ every = 3
       · ──┬──
       ·   ╰── not here
       ╰────
      help: it belongs to kind = "step" and comes from base (built-in):7; write replaces =
            ["schedule"] beside `extends`, or set the table whole: --set 'schedule={kind="cosine", …}'

    Error:
      × `loss.mining` cannot be "hard"
       ╭─[command line:1:19]
     1 │ --set loss.mining=hard
       ·                   ──┬─
       ·                     ╰── unknown name
       ╰────
      help: it can be "batch-hard" or "batch-all"
    "#);
    // A section that is replaced whole keeps nothing of the base.
    let mine = "extends = 'base'\nreplaces = ['schedule']\n[schedule]\nkind = 'cosine'\nfloor = 0\n";
    let recipe = load_from(&[shelf[0], ("mine", mine)], "mine", &[]).unwrap();
    assert!(recipe.get("schedule.every").is_none() && recipe.get("loss.margin").is_some());
    assert!(recipe.get("replaces").is_none() && recipe.get("extends").is_none());
}

#[test]
fn values_are_found_by_path() {
    let recipe = recipe("[data]\naugment = [{ p = 1 }, { p = 2, size = [3, [4]] }]\n", &[]);
    let found = |path: &str| {
        recipe
            .get(path)
            .map(|node| node.at.source.text[node.at.span.clone()].to_owned())
    };
    assert_eq!(found("data").as_deref(), Some("[data]"));
    assert_eq!(found("data.augment[1].p").as_deref(), Some("2"));
    assert_eq!(found("data.augment[1].size[1][0]").as_deref(), Some("4"));
    for path in [
        "",
        ".",
        "data.",
        "data[0]",
        "data.augment[2]",
        "data.augment[",
        "data.augment[x]",
        "data.p",
        "[0]",
    ] {
        assert_eq!(found(path), None, "{path}");
    }
}

#[test]
fn rooms_refuse_what_a_schema_cannot_say() {
    let recipe = recipe(
        "[loss]\nmargin = 1\n[train]\nepochs = 3\nmilestones = [4, 2]\n[eval]\n",
        &[],
    );
    let mut reader = recipe.reader();
    let _: Option<Loss> = reader.section("loss");
    let _: Option<Train> = reader.section("train");
    let schedule: Option<Schedule> = reader.section_required("schedule");
    reader.skip("eval");
    assert!(schedule.is_none() && reader.has_errors());
    reader.refuse("train.milestones[1]", "milestones must rise", "sort them");
    reader.refuse(
        "loss.center.weight",
        "a centre loss needs its weight",
        "write [loss.center]",
    );
    insta::assert_snapshot!(rendered(&reader.finish().unwrap_err()), @r#"
      × the recipe r (built-in) has 3 errors

    Error:
      × the section [schedule] is missing
      help: write a section [schedule] in r (built-in)

    Error:
      × a centre loss needs its weight
       ╭─[r (built-in):1:1]
     1 │ [loss]
       · ───┬──
       ·    ╰── in here
     2 │ margin = 1
       ╰────
      help: write [loss.center]

    Error:
      × milestones must rise
       ╭─[r (built-in):5:18]
     4 │ epochs = 3
     5 │ milestones = [4, 2]
       ·                  ┬
       ·                  ╰── this value
     6 │ [eval]
       ╰────
      help: sort them
    "#);
}

#[test]
fn many_errors_are_counted_and_the_first_are_shown() {
    let text: String = (0..300).map(|i| format!("wrong{i} = 1\n")).collect();
    let errors = read(&recipe(&format!("[loss]\n{text}"), &[])).unwrap_err();
    assert_eq!(errors.faults().len(), 50);
    assert!(
        errors.to_string().ends_with("of which the first 50 follow"),
        "{errors}"
    );
}

/// Lines of a recipe, sound and unsound, which chance puts together.
fn lines() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        "\\[{1,2}(loss|train|schedule|train\\.augment|x)\\]{1,2}",
        "(margin|mining|center|epochs|augment|op|kind|every|until|pool|drops|size|extends|a\\.b) = \
         (1|-1|2\\.5|nan|true|'flip'|'step'|\"é\"|\\[1, 'a'\\]|\\{ op = 'flip', p = 3 \\}|\\{ gem = 1 \\}|1979-05-27|)",
        "[ -~é\t]{0,12}",
    ];
    prop::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
}

/// Loads, reads and renders; nothing may panic.
fn survive(text: &str, set: &str) {
    let sets = [set.to_owned()];
    for sets in [&sets[..], &[]] {
        match load_from(&[("r", text)], "r", sets) {
            Ok(recipe) => {
                if let Err(errors) = read(&recipe) {
                    rendered(&errors);
                }
                let again = load_from(&[("r", &recipe.resolved())], "r", &[]).unwrap();
                assert_eq!(again.table, recipe.table);
                assert_eq!(again.fingerprint(), recipe.fingerprint());
            }
            Err(error) => {
                rendered(&error);
            }
        }
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in lines(), set in "(loss|train)?\\.?[a-z\"]{0,6}=?[ -~é]{0,10}") {
        survive(&text, &set);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), set in any::<String>()) {
        survive(&String::from_utf8_lossy(&bytes), &set);
    }
}

//! How recipes are found and put together.

use crate::recipe::fault::rendered;
use crate::recipe::load::load_from;
use crate::recipe::tree::Value;
use crate::recipe::{Origin, Recipe};

fn shelf() -> Vec<(&'static str, &'static str)> {
    vec![
        ("ctl", "[loss]\nmargin = 0.3\nsteps = [1]\n"),
        ("ctl-small", "extends = \"ctl\"\n"),
        ("quickstart", ""),
        ("bad-twice", "extends = \"ctl-small\""),
        ("bad-self", "\nextends = \"bad-self\""),
        ("bad-name", "extends = \"clt\""),
        ("bad-path", "extends = \"../ctl.toml\""),
        ("bad-type", "extends = 3\nreplaces = 3"),
        ("bad-part", "extends = \"ctl\"\nreplaces = [\"train\"]"),
        (
            "bad-text",
            "[loss]\nmargin = nothing\na = 1\na = 2\n[train\nb = 1\n",
        ),
        ("bad-number", "a = 99999999999999999999\n"),
    ]
}

fn owned(sets: &[&str]) -> Vec<String> {
    sets.iter().map(|set| set.to_string()).collect()
}

/// What a person sees, with the folder's name taken out.
fn said(name: &str, sets: &[&str], folder: &str) -> String {
    let error = load_from(&shelf(), name, &owned(sets))
        .map(|recipe| recipe.resolved())
        .unwrap_err();
    rendered(&error).replace(folder, "FOLDER")
}

#[test]
fn what_is_not_found_or_not_text_is_said_with_its_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("big.toml"), vec![b'#'; (1 << 20) + 1]).unwrap();
    std::fs::write(path("latin.toml"), b"# one\n# caf\xe9\n").unwrap();
    std::fs::write(path("mine.toml"), "extends = \"base.toml\"").unwrap();
    std::fs::create_dir(path("folder.toml")).unwrap();
    let names = [
        "qickstart.toml",
        "folder.toml",
        "big.toml",
        "latin.toml",
        "mine.toml",
    ];
    let mut text = said("clt", &[], "/nowhere");
    for name in names {
        text += &said(&path(name), &[], folder.path().to_str().unwrap());
    }
    insta::assert_snapshot!(text, @r#"
      × there is no recipe `clt`
      help: the nearest built-in recipe is `ctl`; `tailor recipes` lists them all
      × there is no recipe `FOLDER/qickstart.toml`
      help: no file is there; the nearest built-in recipe is `quickstart`; `tailor recipes` lists them
            all
      × FOLDER/folder.toml is a folder, not a recipe
      help: name the .toml file in it; `tailor data init FOLDER` writes one for pictures
      × FOLDER/big.toml is larger than 1 MiB, which no recipe is
      help: a recipe names its data by path and holds none; check that this is the file you mean
      × FOLDER/latin.toml is not UTF-8 text: line 2 holds other bytes
      help: save the file as UTF-8
      × the recipe FOLDER/mine.toml has 1 error

    Error:
      × there is no recipe `FOLDER/base.toml` to extend
       ╭─[FOLDER/mine.toml:1:11]
     1 │ extends = "base.toml"
       ·           ─────┬─────
       ·                ╰── not found
       ╰────
      help: no file is there; the nearest built-in recipe is `bad-self`; `tailor recipes` lists them
            all
    "#);
}

#[test]
fn recipes_in_files_beside_come_before_built_in_ones_and_far_names_are_not_proposed() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("photos.toml"), "").unwrap();
    let help = |name: &str| crate::recipe::find::find(&shelf(), name, folder.path(), &mut Vec::new());
    let help = |name: &str| match help(name) {
        Err(crate::recipe::RecipeError::NotFound { help, .. }) => help,
        _ => panic!("{name} was found"),
    };
    assert_eq!(
        help("phots.toml"),
        "no file is there; did you mean `photos.toml`?"
    );
    assert_eq!(help("phots"), "did you mean `photos.toml`?");
    assert_eq!(
        help("clt"),
        "the nearest built-in recipe is `ctl`; `tailor recipes` lists them all"
    );
    assert_eq!(help("wardrobe"), "`tailor recipes` lists the built-in ones");
    std::fs::write(path("first.onnx"), "").unwrap();
    assert!(help("first.onnx").starts_with("the file first.onnx is not a recipe (.toml)"));
    std::fs::write(path("plain"), "").unwrap();
    assert!(help("plain").contains("write ./plain"));
}

#[test]
fn what_is_wrong_with_a_text_or_its_base_is_said_with_its_remedy() {
    let names = ["twice", "self", "name", "path", "type", "part", "text", "number"];
    let text: String = names
        .iter()
        .map(|name| said(&format!("bad-{name}"), &[], "/nowhere"))
        .collect();
    insta::assert_snapshot!(text, @r#"
      × the recipe bad-twice (built-in) has 1 error

    Error:
      × ctl-small (built-in) itself extends `ctl`: one level is the most
       ╭─[bad-twice (built-in):1:11]
     1 │ extends = "ctl-small"
       ·           ─────┬─────
       ·                ╰── this base has a base
       ╰────
      help: extend `ctl` here and repeat what ctl-small (built-in) changes
      × the recipe bad-self (built-in) has 1 error

    Error:
      × a recipe cannot extend itself
       ╭─[bad-self (built-in):2:11]
     1 │
     2 │ extends = "bad-self"
       ·           ─────┬────
       ·                ╰── this is the file itself
       ╰────
      help: name another recipe; `tailor recipes` lists the built-in ones
      × the recipe bad-name (built-in) has 1 error

    Error:
      × there is no recipe `clt` to extend
       ╭─[bad-name (built-in):1:11]
     1 │ extends = "clt"
       ·           ──┬──
       ·             ╰── not found
       ╰────
      help: the nearest built-in recipe is `ctl`; `tailor recipes` lists them all
      × the recipe bad-path (built-in) has 1 error

    Error:
      × a built-in recipe extends a file
       ╭─[bad-path (built-in):1:11]
     1 │ extends = "../ctl.toml"
       ·           ──────┬──────
       ·                 ╰── a file
       ╰────
      help: extend a built-in recipe by its name
      × the recipe bad-type (built-in) has 2 errors

    Error:
      × `extends` names no recipe
       ╭─[bad-type (built-in):1:11]
     1 │ extends = 3
       ·           ┬
       ·           ╰── a string is expected
     2 │ replaces = 3
       ╰────
      help: write extends = "ctl" for a built-in recipe, extends = "mine.toml" for a file

    Error:
      × `replaces` names no sections of the base
       ╭─[bad-type (built-in):2:12]
     1 │ extends = 3
     2 │ replaces = 3
       ·            ┬
       ·            ╰── a list of names, beside `extends`
       ╰────
      help: write replaces = ["loss"] to take [loss] from this file alone
      × the recipe bad-part (built-in) has 1 error

    Error:
      × `replaces` names `train`, which this file does not have
       ╭─[bad-part (built-in):2:12]
     1 │ extends = "ctl"
     2 │ replaces = ["train"]
       ·            ────┬────
       ·                ╰── no such table below
       ╰────
      help: write the section [train], or take the name out of `replaces`
      × the recipe bad-text (built-in) has 3 errors

    Error:
      × not TOML: unclosed table, expected `]`
       ╭─[bad-text (built-in):5:7]
     4 │ a = 2
     5 │ [train
       ·       ▲
       ·       ╰── here
     6 │ b = 1
       ╰────
      help: strings are quoted, a section is [name], a key is written once; see https://toml.io

    Error:
      × not TOML: invalid float, expected `nan`
       ╭─[bad-text (built-in):2:10]
     1 │ [loss]
     2 │ margin = nothing
       ·          ───┬───
       ·             ╰── here
     3 │ a = 1
       ╰────
      help: strings are quoted, a section is [name], a key is written once; see https://toml.io

    Error:
      × not TOML: duplicate key
       ╭─[bad-text (built-in):4:1]
     3 │ a = 1
     4 │ a = 2
       · ┬
       · ╰── here
     5 │ [train
       ╰────
      help: strings are quoted, a section is [name], a key is written once; see https://toml.io
      × the recipe bad-number (built-in) has 1 error

    Error:
      × 99999999999999999999 is too large for an integer
       ╭─[bad-number (built-in):1:5]
     1 │ a = 99999999999999999999
       ·     ──────────┬─────────
       ·               ╰── 64 bits do not hold this
       ╰────
      help: integers lie between -9223372036854775808 and 9223372036854775807
    "#);
}

#[test]
fn every_wrong_set_is_said_with_its_remedy() {
    let sets = [
        "loss.margin",
        "=3",
        "loss.margin=",
        "loss.margin.x=1",
        "loss.steps.0=1",
        "a=[1",
        "a=\"b",
        "a..b=1",
        "extends=ctl",
        "a=99999999999999999999",
    ];
    insta::assert_snapshot!(said("ctl", &sets, "/nowhere"), @r#"
      × the recipe ctl (built-in) has 10 errors

    Error:
      × --set without `=`
       ╭─[command line:1:7]
     1 │ --set loss.margin
       ·       ─────┬─────
       ·            ╰── no value given
       ╰────
      help: write --set section.key=value, as in --set loss.margin=0.3

    Error:
      × --set without a key
       ╭─[command line:1:7]
     1 │ --set =3
       ·       ─┬
       ·        ╰── nothing before `=`
       ╰────
      help: write --set section.key=value, as in --set loss.margin=0.3

    Error:
      × `loss.margin` is set to nothing
       ╭─[command line:1:7]
     1 │ --set loss.margin=
       ·       ──────┬─────
       ·             ╰── no value after `=`
       ╰────
      help: an empty string is --set 'loss.margin=""'

    Error:
      × `loss.margin` is a number with a fraction, so nothing can be set below it
       ╭─[command line:1:12]
     1 │ --set loss.margin.x=1
       ·            ───┬──
       ·               ╰── not a table
       ╰────
      help: set the value itself: --set 'loss.margin=…'; it is written at ctl (built-in):2

    Error:
      × `loss.steps` is an array, so nothing can be set below it
       ╭─[command line:1:12]
     1 │ --set loss.steps.0=1
       ·            ──┬──
       ·              ╰── not a table
       ╰────
      help: an array is set whole: --set 'loss.steps=…'; it is written at ctl (built-in):3

    Error:
      × the value of `a` is not TOML: unclosed array, expected `]`
       ╭─[command line:1:10]
     1 │ --set a=[1
       ·          ┬
       ·          ╰── here
       ╰────
      help: close every quote and bracket, and put the whole --set in single quotes for the shell

    Error:
      × the value of `a` is not TOML: invalid basic string, expected `"`
       ╭─[command line:1:10]
     1 │ --set a="b
       ·          ┬
       ·          ╰── here
       ╰────
      help: close every quote and bracket, and put the whole --set in single quotes for the shell

    Error:
      × `a..b` is not a key of a recipe
       ╭─[command line:1:7]
     1 │ --set a..b=1
       ·       ──┬─
       ·         ╰── this key
       ╰────
      help: write --set section.key=value, as in --set loss.margin=0.3

    Error:
      × `extends` cannot be set
       ╭─[command line:1:7]
     1 │ --set extends=ctl
       ·       ───┬───
       ·          ╰── this key
       ╰────
      help: it says how a file is put together: copy the recipe and write it there

    Error:
      × 99999999999999999999 is too large for an integer
       ╭─[command line:1:9]
     1 │ --set a=99999999999999999999
       ·         ──────────┬─────────
       ·                   ╰── 64 bits do not hold this
       ╰────
      help: integers lie between -9223372036854775808 and 9223372036854775807
    "#);
}

#[test]
fn sets_are_toml_or_bare_text() {
    for (given, expected) in [
        ("a=1", "a = 1"),
        ("a = 1e-3 ", "a = 0.001"),
        ("a=true", "a = true"),
        ("a=True", "a = \"True\""),
        ("a=/x/y z", "a = \"/x/y z\""),
        ("a=x=y", "a = \"x=y\""),
        ("a=\"1\"", "a = \"1\""),
        ("a=\"\"", "a = \"\""),
        ("a=[1, 'b']", "a = [1, \"b\"]"),
        ("a={ b = 1, c.d = 2 }", "[a] b = 1  [a.c] d = 2"),
        ("a.\"b=c\".d=1", "[a.\"b=c\"] d = 1"),
    ] {
        let recipe = load_from(&shelf(), "quickstart", &owned(&[given])).unwrap();
        assert_eq!(recipe.resolved().replace('\n', " ").trim(), expected, "{given}");
    }
}

#[test]
fn the_last_set_wins_and_arrays_and_tables_are_set_whole() {
    let sets = [
        "loss.margin=1",
        "loss.steps=[7]",
        "loss.margin=2",
        "x={ y = 1 }",
        "x.z=2",
    ];
    let recipe = load_from(&shelf(), "ctl", &owned(&sets)).unwrap();
    assert_eq!(
        recipe.resolved(),
        "[loss]\nmargin = 2\nsteps = [7]\n\n[x]\ny = 1\nz = 2\n"
    );
    let recipe = load_from(&shelf(), "ctl", &owned(&["loss={ scale = 1 }"])).unwrap();
    assert_eq!(recipe.resolved(), "[loss]\nscale = 1\n");
}

#[test]
fn files_are_found_by_path_and_built_in_recipes_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let load = |name: &str| load_from(&shelf(), &path(name), &[]);
    let margin = |recipe: &Recipe| recipe.resolved().lines().nth(1).unwrap().to_owned();
    // A checkout's path that is not there falls back on the built-in recipe of that name, and says so; any other is an error.
    assert!(load("ctl.toml").unwrap_err().to_string().contains("ctl.toml"));
    let recipe = load("recipes/ctl.toml").unwrap();
    assert_eq!(
        (recipe.name.as_str(), recipe.origin),
        ("ctl", Origin::BuiltIn("ctl".into()))
    );
    assert!(recipe.notes[0].ends_with("ctl.toml is not there; the built-in recipe `ctl` is used"));
    // A file's base by name is built in even where a file of that name lies beside it.
    std::fs::create_dir(path("deep")).unwrap();
    std::fs::write(path("deep/ctl.toml"), "\u{feff}[loss]\nmargin = 9\n").unwrap();
    std::fs::write(path("deep/by-name.toml"), "extends = \"ctl\"").unwrap();
    std::fs::write(path("by-path.toml"), "extends = \"deep/ctl.toml\"").unwrap();
    let by_name = load("deep/by-name.toml").unwrap();
    assert_eq!(
        (margin(&by_name), by_name.notes.len()),
        ("margin = 0.3".to_owned(), 1)
    );
    let by_path = load("by-path.toml").unwrap();
    assert_eq!(
        (margin(&by_path), by_path.notes.len()),
        ("margin = 9".to_owned(), 0)
    );
    assert_eq!(
        by_path.get("loss.margin").unwrap().at.to_string(),
        path("deep/ctl.toml") + ":2"
    );
    // A circle of two is more than a second level.
    std::fs::write(path("a.toml"), "extends = \"b.toml\"").unwrap();
    std::fs::write(path("b.toml"), "extends = \"a.toml\"").unwrap();
    let error = rendered(&load("a.toml").unwrap_err());
    assert!(error.contains("extend each other"), "{error}");
}

#[test]
fn the_command_line_beats_the_file_which_beats_its_base() {
    let shelf = [
        (
            "base",
            "[loss]\nmargin = 0.1\nkind = 'a'\nother = 1\n[train]\nsteps = [1, 2, 3]\n",
        ),
        (
            "mine",
            "extends = 'base'\n[loss]\nmargin = 0.2\nkind = 'b'\n[train]\nsteps = [4]\n",
        ),
    ];
    let recipe = load_from(
        &shelf,
        "mine",
        &["loss.margin=0.3".to_owned(), "a.b=/x/y".to_owned()],
    )
    .unwrap();
    let text = |path: &str| {
        let at = &recipe.get(path).unwrap().at;
        (
            at.source.name.clone(),
            at.line(),
            at.source.text[at.span.clone()].to_owned(),
        )
    };
    assert_eq!(
        text("loss.margin"),
        ("command line".to_owned(), 1, "0.3".to_owned())
    );
    assert_eq!(
        text("loss.kind"),
        ("mine (built-in)".to_owned(), 4, "'b'".to_owned())
    );
    assert_eq!(
        text("loss.other"),
        ("base (built-in)".to_owned(), 4, "1".to_owned())
    );
    assert_eq!(
        text("train.steps"),
        ("mine (built-in)".to_owned(), 6, "[4]".to_owned())
    );
    assert!(matches!(&recipe.get("a.b").unwrap().value, Value::String(path) if path == "/x/y"));
}

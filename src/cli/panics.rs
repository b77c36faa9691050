//! Panics of libraries become errors: no device, driver or parser may end the program with its own words.

use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::{Mutex, PoisonError};

/// A part of the program that gave up instead of giving an error.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("a part of tailor gave up: {words}{}", at(place))]
#[diagnostic(help(
    "on a GPU this is most often its memory: use a smaller batch (data.sampler, eval.batch) with optimizer.accumulate for the rest, or \
     another --device. Checkpoints are untouched: `tailor train … --resume` goes on from the last. Without such a reason it is a bug of \
     tailor: please report it with this message"
))]
pub struct Panicked {
    /// What it said.
    words: String,
    /// The line of code.
    place: Option<String>,
}

fn at(place: &Option<String>) -> String {
    place
        .as_ref()
        .map_or(String::new(), |place| format!(" ({place})"))
}

/// Where the last panic happened.
static LAST: Mutex<Option<String>> = Mutex::new(None);

/// Silences the message that every panic prints, since each is caught where it can be told as an error; `TAILOR_LOG=debug` shows them.
pub fn install() {
    std::panic::set_hook(Box::new(note));
}

fn note(info: &PanicHookInfo) {
    let place = info.location().map(|place| {
        // Below the folder of crates, so that the message is the same on every machine.
        let file = place
            .file()
            .rsplit_once("/src/")
            .map_or(place.file(), |(before, _)| before);
        let name = file.rsplit('/').next().unwrap_or_default();
        let rest = place.file().rsplit_once("/src/").map_or("", |(_, rest)| rest);
        match rest {
            "" => format!("{}:{}", place.file(), place.line()),
            rest => format!("{name}/src/{rest}:{}", place.line()),
        }
    });
    tracing::debug!("{info}");
    *LAST.lock().unwrap_or_else(PoisonError::into_inner) = place;
}

/// Does the work; a panic in it is an error.
pub fn caught<T>(work: impl FnOnce() -> crate::Result<T>) -> crate::Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let words = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|words| words.to_string()))
            .unwrap_or_else(|| "no reason was given".into());
        let place = LAST.lock().unwrap_or_else(PoisonError::into_inner).take();
        Err(Panicked { words, place }.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_with_its_words() {
        let error = caught::<()>(|| panic!("out of {}", "memory"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("gave up: out of memory"), "{error}");
        assert_eq!(caught(|| Ok(3)).unwrap(), 3);
    }
}

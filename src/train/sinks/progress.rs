//! The run on the terminal: a bar of two lines where stderr is one, plain lines now and then where it is a file or a pipe.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::system::{DATA_WAIT, IMAGES_PER_SECOND};
use super::{Entry, EntrySplit, Outcome, Sink, SinkError};

/// What the run is and how far it goes.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The name to show, usually the recipe's.
    pub name: String,
    /// All optimiser steps of the run.
    pub steps: u64,
    /// All epochs of the run.
    pub epochs: f64,
    /// Steps done before this process began: 0, or the step of the checkpoint it resumes from.
    pub start: u64,
    /// The least time between two plain lines.
    pub every: Duration,
    /// The evaluated figures to show, by the last part of their name; all where none are named.
    pub headline: Vec<String>,
}

impl Plan {
    fn shows(&self, name: &str) -> bool {
        let last = name.rsplit('/').next().unwrap_or_default();
        self.headline.is_empty() || self.headline.iter().any(|shown| shown == last || shown == name)
    }
}

/// Shows the run on stderr, so that stdout stays free for `--json`.
///
/// Hand it the entry of the split system before the one of the split train, and a line shows figures of one interval.
pub struct Progress {
    plan: Plan,
    display: Display,
    began: Instant,
    step: u64,
    epoch: f64,
    figures: Vec<(String, f64)>,
    speed: Option<f64>,
    wait: Option<f64>,
}

enum Display {
    Bar(ProgressBar),
    Plain {
        out: Box<dyn Write + Send>,
        last: Option<Instant>,
    },
}

impl Progress {
    /// A bar where stderr is a terminal, plain lines elsewhere.
    pub fn stderr(plan: Plan) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        if std::io::stderr().is_terminal() && !dumb {
            let bar = ProgressBar::with_draw_target(Some(plan.steps), ProgressDrawTarget::stderr());
            if let Ok(style) =
                ProgressStyle::with_template("{prefix}  {wide_bar:.cyan/dim} {percent:>3} %\n{wide_msg}")
            {
                bar.set_style(style.progress_chars("━━─"));
            }
            bar.set_position(plan.start);
            Self::new(plan, Display::Bar(bar))
        } else {
            Self::plain(plan, Box::new(std::io::stderr()))
        }
    }

    /// Plain lines, without control characters.
    pub fn plain(plan: Plan, out: Box<dyn Write + Send>) -> Self {
        Self::new(plan, Display::Plain { out, last: None })
    }

    fn new(plan: Plan, display: Display) -> Self {
        let step = plan.start;
        let began = Instant::now();
        let progress = Self {
            plan,
            display,
            began,
            step,
            epoch: 0.0,
            figures: Vec::new(),
            speed: None,
            wait: None,
        };
        progress.draw();
        progress
    }

    /// The bar, if there is one: other output to the terminal goes through its `suspend` or `println`.
    pub fn bar(&self) -> Option<ProgressBar> {
        match &self.display {
            Display::Bar(bar) => Some(bar.clone()),
            Display::Plain { .. } => None,
        }
    }

    fn place(&self) -> String {
        let epochs = self.plan.epochs.ceil().max(1.0);
        let epoch = self.epoch.ceil().clamp(1.0, epochs);
        let name = short(&self.plan.name, 28);
        format!(
            "{name}  epoch {epoch}/{epochs}  step {}/{}",
            self.step, self.plan.steps
        )
    }

    fn eta(&self) -> Option<String> {
        let done = self.step.checked_sub(self.plan.start).filter(|done| *done > 0)?;
        let left = self.plan.steps.saturating_sub(self.step);
        // The mean since the start counts evaluations and checkpoints in, as what is left will.
        let seconds = self.began.elapsed().as_secs_f64() / done as f64 * left as f64;
        Some(format!("ETA {}", duration(seconds)))
    }

    /// Loss, time left, speed and waiting first, because a narrow terminal cuts the end off.
    fn details(&self) -> String {
        let (loss, terms): (Vec<_>, Vec<_>) = self.figures.iter().partition(|(name, _)| name == "loss");
        let show = |(name, value): &(String, f64)| format!("{} {}", clean(name), figure(*value));
        let mut parts: Vec<String> = loss.into_iter().map(show).collect();
        parts.extend(self.eta());
        parts.extend(self.speed.map(|v| format!("{} images/s", figure(v))));
        parts.extend(self.wait.map(|v| format!("data wait {:.0} %", 100.0 * v)));
        parts.extend(terms.into_iter().map(show));
        parts.join("  ")
    }

    fn draw(&self) {
        if let Display::Bar(bar) = &self.display {
            bar.set_prefix(self.place());
            bar.set_message(self.details());
            bar.set_position(self.step);
        }
    }

    fn say(&mut self, line: &str) {
        match &mut self.display {
            Display::Bar(bar) => bar.println(line),
            // A closed pipe must not stop a run: this is not its record.
            Display::Plain { out, .. } => drop(writeln!(out, "{line}").and_then(|()| out.flush())),
        }
    }

    fn interval_line(&mut self) {
        let last_step = self.step >= self.plan.steps;
        let Display::Plain { last, .. } = &mut self.display else {
            return;
        };
        if last_step || last.is_none_or(|at| at.elapsed() >= self.plan.every) {
            *last = Some(Instant::now());
            let line = format!("{}  {}", self.place(), self.details());
            self.say(&line);
        }
    }
}

impl Sink for Progress {
    fn scalars(&mut self, entry: &Entry) -> Result<(), SinkError> {
        (self.step, self.epoch) = (entry.step, entry.epoch);
        match entry.split {
            EntrySplit::System => {
                self.speed = entry.value(IMAGES_PER_SECOND).or(self.speed);
                self.wait = entry.value(DATA_WAIT).or(self.wait);
            }
            EntrySplit::Train => {
                self.figures = entry
                    .values
                    .iter()
                    .filter(|(name, _)| !name.starts_with("lr/"))
                    .cloned()
                    .collect();
                self.interval_line();
            }
            EntrySplit::Valid | EntrySplit::Test => {
                let figures: Vec<String> = entry
                    .values
                    .iter()
                    .filter(|(name, _)| self.plan.shows(name))
                    .map(|(name, v)| format!("{} {}", clean(name), figure(*v)))
                    .collect();
                self.say(&format!(
                    "{}  step {}  {}",
                    entry.split.name(),
                    entry.step,
                    figures.join("  ")
                ));
            }
        }
        self.draw();
        Ok(())
    }

    fn tick(&mut self, step: u64, epoch: f64) {
        (self.step, self.epoch) = (step, epoch);
        self.draw();
    }

    fn finish(&mut self, outcome: Outcome) -> Result<(), SinkError> {
        self.draw();
        if let Display::Bar(bar) = &self.display {
            // Either way the last figures stay on the screen; only a finished run is shown as full.
            match outcome {
                Outcome::Finished => bar.finish(),
                Outcome::Interrupted | Outcome::Failed => bar.abandon(),
            }
        }
        Ok(())
    }
}

/// Four significant digits.
fn figure(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        return value.to_string();
    }
    if size != 0.0 && !(1e-3..1e5).contains(&size) {
        return format!("{value:.2e}");
    }
    let digits = if size < 1.0 {
        4
    } else {
        3 - (size.log10().floor() as usize).min(3)
    };
    format!("{value:.digits$}")
}

/// Hours, minutes and seconds; days and hours from four days on.
fn duration(seconds: f64) -> String {
    let seconds = seconds as u64;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    if hours >= 96 {
        format!("{} d {:02} h", hours / 24, hours % 24)
    } else {
        format!("{hours}:{minutes:02}:{:02}", seconds % 60)
    }
}

/// Names come from recipes; they must not steer the terminal.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

fn short(text: &str, most: usize) -> String {
    let text = clean(text);
    if text.chars().count() <= most {
        return text;
    }
    let mut cut: String = text.chars().take(most - 1).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn lines(every: Duration) -> Vec<String> {
        let out = Shared::default();
        let name = "ctl\u{1b}[31m".to_string();
        let plan = Plan {
            name,
            steps: 40,
            epochs: 2.0,
            start: 0,
            every,
            headline: vec!["mAP".into(), "recall@1".into()],
        };
        let mut progress = Progress::plain(plan, Box::new(out.clone()));
        let mut send = |step, split, values: &[(&str, f64)]| {
            let values: Vec<_> = values.iter().map(|(n, v)| (n.to_string(), *v)).collect();
            progress
                .scalars(&Entry {
                    step,
                    epoch: step as f64 / 20.0,
                    split,
                    values: &values,
                    wall: 0.0,
                })
                .unwrap();
        };
        for step in [10, 20, 30, 40] {
            send(
                step,
                EntrySplit::System,
                &[(IMAGES_PER_SECOND, 312.4), (DATA_WAIT, 0.034)],
            );
            send(
                step,
                EntrySplit::Train,
                &[("triplet", 0.2), ("loss", 1.25), ("lr/base", 1e-4)],
            );
        }
        send(
            40,
            EntrySplit::Valid,
            &[
                ("recall@1", 0.7125),
                ("recall@5", 0.9),
                ("centroid/mAP", f64::NAN),
            ],
        );
        progress.finish(Outcome::Finished).unwrap();
        let bytes = out.0.lock().unwrap().clone();
        String::from_utf8(bytes)
            .unwrap()
            .lines()
            .map(String::from)
            .collect()
    }

    #[test]
    fn plain_lines_come_now_and_then_and_at_the_end() {
        let all = lines(Duration::ZERO);
        assert_eq!(all.len(), 5);
        assert_eq!(
            all[1],
            "ctl?[31m  epoch 1/2  step 20/40  loss 1.250  ETA 0:00:00  312.4 images/s  data wait 3 %  triplet 0.2000"
        );
        assert_eq!(all[4], "valid  step 40  recall@1 0.7125  centroid/mAP NaN");
        assert!(all.iter().all(|line| !line.chars().any(char::is_control)));
        let few = lines(Duration::from_secs(3600));
        assert_eq!(few.len(), 3);
        assert!(few[0].contains("step 10/40") && few[1].contains("step 40/40"));
    }

    #[test]
    fn figures_and_times_are_short() {
        let cases = [
            (0.0, "0.0000"),
            (1.0, "1.000"),
            (12.345, "12.35"),
            (99999.0, "99999"),
            (1e-4, "1.00e-4"),
            (-2e6, "-2.00e6"),
        ];
        for (value, text) in cases {
            assert_eq!(figure(value), text);
        }
        assert_eq!(figure(f64::NEG_INFINITY), "-inf");
        assert_eq!(
            (duration(3725.9), duration(400.0 * 3600.0)),
            ("1:02:05".into(), "16 d 16 h".into())
        );
        assert_eq!(duration(f64::NAN), "0:00:00");
        assert_eq!(short("abcdef", 4), "abc…");
    }
}

//! The `tailor` program: reads the command line, runs a verb, prints its error.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    // SAFETY: nothing has started a thread yet.
    unsafe { tailor::device::quiet_graphics_drivers() };
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("TAILOR_LOG")
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn")),
        )
        .with_writer(std::io::stderr)
        .init();
    tailor::cli::panics::install();
    // Names and commands stay whole at the edge of the terminal: a hyphen is no place to break them.
    let _ = miette::set_hook(Box::new(|_| {
        Box::new(
            miette::MietteHandlerOpts::new()
                .break_words(false)
                .word_separator(textwrap::WordSeparator::AsciiSpace)
                .word_splitter(textwrap::WordSplitter::NoHyphenation)
                .build(),
        )
    }));
    let verb = tailor::cli::tips::parse();
    match tailor::cli::panics::caught(|| tailor::cli::run(verb)) {
        Ok(()) => ExitCode::SUCCESS,
        // As a shell has it for a program that an interrupt ended: what stands behind `&&` must not run.
        Err(error @ tailor::Error::Interrupted(_)) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::from(130)
        }
        Err(error) => {
            // Nobody may be listening any more.
            let _ = writeln!(std::io::stderr(), "{:?}", miette::Report::new(error));
            ExitCode::FAILURE
        }
    }
}

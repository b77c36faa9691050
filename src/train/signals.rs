//! SIGINT and SIGTERM ask for a checkpoint; a second one ends the process at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A limit on file sizes (`ulimit -f`) ends a process by a signal; once this is called it is an error of the write, as a full disk is.
pub fn limits_are_errors() {
    #[cfg(unix)]
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
}

/// Whether the user asked to stop.
#[derive(Clone, Debug, Default)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// A flag that the signals of this process raise.
    pub fn on_signals() -> Self {
        let flag = Self::default();
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            // The order matters: the first signal finds the flag down and raises it, the second finds it up and exits.
            let _ = signal_hook::flag::register_conditional_shutdown(signal, 130, flag.0.clone());
            let _ = signal_hook::flag::register(signal, flag.0.clone());
        }
        flag
    }

    /// Asks to stop.
    pub fn raise(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether to stop.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

//! Ctrl-C and `kill`: the first asks to stop, the second ends the program.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// The exit status after a signal, that of a shell for Ctrl-C: a script must not go on with half of the work.
pub const STOPPED: u8 = 130;

/// The flag of this process.
static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// A flag that the first SIGINT or SIGTERM sets, the same for all who ask. A second one ends the program at once.
///
/// # Errors
/// Where the system takes no handlers.
pub fn stop_flag() -> anyhow::Result<Arc<AtomicBool>> {
    if let Some(stop) = STOP.get() {
        return Ok(Arc::clone(stop));
    }
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal must find the flag unset.
        flag::register_conditional_shutdown(signal, STOPPED.into(), Arc::clone(&stop))
            .and_then(|_| flag::register(signal, Arc::clone(&stop)))
            .context("no signal handler")?;
    }
    Ok(Arc::clone(STOP.get_or_init(|| stop)))
}

/// Whether a signal has asked to stop.
pub fn asked_to_stop() -> bool {
    STOP.get().is_some_and(|stop| stop.load(Ordering::Relaxed))
}

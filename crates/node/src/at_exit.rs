//! The end of the process by `process.exit()` or an error that nobody catches: Node.js runs no cleanup hooks then.

use std::sync::Once;

use crate::registry;

static REGISTERED: Once = Once::new();

/// Has recordings that are still open closed when the process ends otherwise than by a signal.
pub(crate) fn close_recordings_at_exit() {
    REGISTERED.call_once(|| {
        // SAFETY: the function stays where it is, as whoever opens a recording keeps this module loaded, and does not unwind.
        let _ = unsafe { libc::atexit(close_recordings) };
    });
}

extern "C" fn close_recordings() {
    // What fails here leaves what a killed process leaves.
    let _ = std::panic::catch_unwind(|| {
        let open = registry::all();
        // All at the same time.
        open.iter().for_each(|entry| entry.store.close_soon());
        open.iter().for_each(|entry| entry.store.close_at_exit());
    });
}

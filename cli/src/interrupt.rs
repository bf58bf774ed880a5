//! Ctrl-C: the first asks to stop cleanly, the second stops at once.

use crate::args::Global;
use crate::output;
use terrarium_envs::scheduler::Cancel;

/// A wish to stop that Ctrl-C makes.
pub fn cancel_on_interrupt(global: &Global) -> Cancel {
    let cancel = Cancel::new();
    let (wish, global) = (cancel.clone(), global.clone());
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_err() {
            return;
        }
        wish.cancel();
        output::note(&global, "stopping: finishing what is under way (Ctrl-C again to stop at once)");
        if tokio::signal::ctrl_c().await.is_ok() {
            #[expect(clippy::exit, reason = "the user asked twice; everything stored is safe")]
            std::process::exit(130);
        }
    });
    cancel
}

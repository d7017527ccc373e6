//! A network looks at a whole set.

use crate::data::{Levels, PictureSet};
use crate::error::{Error, Result};
use crate::features::{Extractor, Seen};
use crate::progress::Progress;
use crate::workers::Workers;

/// Pictures that a worker looks at together.
const BATCH: usize = 32;

/// Looks at every picture of a set, several batches side by side, and hands out what was seen in the set's order.
///
/// # Errors
/// Those of the set, of the network and of `each`.
pub fn look_at_all(
    extractor: &Extractor,
    set: &PictureSet,
    workers: &Workers,
    progress: &mut dyn Progress,
    mut each: impl FnMut(Seen, Levels) -> Result<()>,
) -> Result<()> {
    progress.begin(&format!("looking at {}", set.path().display()), 0, set.count() as u64);
    let (mut waiting, mut done) = (Vec::new(), 0);
    let mut look = |batches: Vec<Levels>| {
        let seen = |_, batch: Levels| Ok((extractor.look(&batch.levels, batch.size)?, batch));
        for (seen, batch) in workers.run(batches, seen)? {
            done += batch.labels.len() as u64;
            each(seen, batch)?;
        }
        progress.step(done, "");
        Ok::<(), Error>(())
    };
    set.for_each(BATCH, |batch| {
        waiting.push(batch);
        match waiting.len() < workers.count() {
            true => Ok(()),
            false => look(std::mem::take(&mut waiting)),
        }
    })?;
    look(waiting)?;
    progress.end();
    Ok(())
}

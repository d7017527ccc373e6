//! From a picture of a folder to a crop of it, by way of memory where the crops fit there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::data::{PictureFolder, Problem};
use crate::error::{Error, Result};
use crate::signal::Picture;
use crate::signal::resize::{Crop, Flip};

/// How many bytes of memory may be spent on keeping decoded crops. 0 keeps none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CacheLimit(pub u64);

impl Default for CacheLimit {
    /// 1 GiB: 87 000 pictures of 64 pixels, 5 400 of 256.
    fn default() -> Self {
        Self(1 << 30)
    }
}

/// How each picture of a folder becomes a square of a fixed size.
#[derive(Debug)]
pub(super) struct Source {
    pub folder: Arc<PictureFolder>,
    size: u32,
    crop: Crop,
    flip: Flip,
    /// One place an item, filled when it is first read; none at all when the crops would not fit.
    kept: Vec<OnceLock<Picture>>,
    /// The unreadable items met so far, with the reasons. What is in it is not opened again.
    bad: Mutex<BTreeMap<usize, String>>,
}

impl Source {
    /// # Errors
    /// [`Error::Argument`] for a size of zero.
    pub fn new(
        folder: Arc<PictureFolder>,
        size: u32,
        crop: Crop,
        flip: Flip,
        limit: CacheLimit,
    ) -> Result<Self> {
        if size == 0 {
            return Err(Error::argument("size", "a picture of 0 pixels is empty"));
        }
        let needed = u128::from(size) * u128::from(size) * 3 * folder.items().len() as u128;
        // A random crop is another one each time, so there is nothing to keep of it.
        let keep = crop == Crop::Center && needed <= u128::from(limit.0);
        let places = if keep { folder.items().len() } else { 0 };
        let kept = (0..places).map(|_| OnceLock::new()).collect();
        Ok(Self { folder, size, crop, flip, kept, bad: Mutex::default() })
    }

    /// The number of values of one crop: `3 * size * size`.
    pub fn values(&self) -> usize {
        3 * self.size as usize * self.size as usize
    }

    /// Reads picture `item` into `pixels`, shaped `[3, size, size]` in `[-1, 1]`. `None` when it cannot
    /// be read; [`Self::problem`] then tells why.
    pub fn read(&self, item: usize, rng: &mut impl Rng, pixels: &mut [f32]) -> Option<()> {
        if self.bad().contains_key(&item) {
            return None;
        }
        match self.crop_of(item, rng) {
            Ok(crop) => {
                pixels.copy_from_slice(&self.flip.apply(crop, rng).to_unit());
                Some(())
            }
            Err(error) => {
                self.bad().insert(item, reason_of(error));
                None
            }
        }
    }

    /// Why `item` cannot be read, if it is known that it cannot.
    pub fn problem(&self, item: usize) -> Option<Problem> {
        let reason = self.bad().get(&item)?.clone();
        Some(Problem { path: self.folder.items()[item].path.clone(), reason })
    }

    /// The unreadable pictures met so far, in the order of the folder.
    pub fn problems(&self) -> Vec<Problem> {
        let items: Vec<usize> = self.bad().keys().copied().collect();
        items.into_iter().filter_map(|item| self.problem(item)).collect()
    }

    fn crop_of(&self, item: usize, rng: &mut impl Rng) -> Result<Picture> {
        let place = self.kept.get(item);
        if let Some(crop) = place.and_then(OnceLock::get) {
            return Ok(crop.clone());
        }
        let picture = Picture::open(self.folder.path_of(&self.folder.items()[item]))?;
        let crop = self.crop.apply(&picture, self.size, rng)?;
        if let Some(place) = place {
            // Another thread may have been faster; it has kept the same.
            let _ = place.set(crop.clone());
        }
        Ok(crop)
    }

    fn bad(&self) -> std::sync::MutexGuard<'_, BTreeMap<usize, String>> {
        // The map is whole after every operation on it, whatever happened to its last user.
        self.bad.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The reason alone, since a [`Problem`] has the path already.
pub(super) fn reason_of(error: Error) -> String {
    match error {
        Error::File { reason, .. } => reason,
        Error::Io { source, .. } => source.to_string(),
        other => other.to_string(),
    }
}

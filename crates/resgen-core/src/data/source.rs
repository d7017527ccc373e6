//! From a picture of a folder to a crop of it, by way of memory where the crops fit there.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::data::loader::Examples;
use crate::data::unreadable::Unreadable;
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
    unreadable: Unreadable,
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
        Ok(Self { folder, size, crop, flip, kept, unreadable: Unreadable::default() })
    }

    /// Why `item` cannot be read, if it is known that it cannot.
    pub fn problem(&self, item: usize) -> Option<Problem> {
        let reason = self.unreadable.reason(item)?;
        Some(Problem { path: self.folder.items()[item].path.clone(), reason })
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
}

impl Examples for Source {
    fn root(&self) -> &Path {
        self.folder.root()
    }

    fn count(&self) -> usize {
        self.folder.items().len()
    }

    /// `3 * size * size`.
    fn values(&self) -> usize {
        3 * self.size as usize * self.size as usize
    }

    fn class(&self, item: usize) -> u32 {
        self.folder.items()[item].class
    }

    /// Pixels shaped `[3, size, size]` in `[-1, 1]`.
    fn read(&self, item: usize, rng: &mut ChaCha8Rng, values: &mut [f32]) -> bool {
        if self.unreadable.contains(item) {
            return false;
        }
        match self.crop_of(item, rng) {
            Ok(crop) => {
                values.copy_from_slice(&self.flip.apply(crop, rng).to_unit());
                true
            }
            Err(error) => {
                self.unreadable.insert(item, error);
                false
            }
        }
    }

    fn problems(&self) -> Vec<Problem> {
        self.unreadable.all().into_iter().filter_map(|(item, _)| self.problem(item)).collect()
    }
}

//! Spectrograms to look at.

use std::ops::RangeInclusive;

use plotters::style::colors::colormaps::{ColorMap, ViridisRGB};

use super::Mel;
use crate::error::Result;
use crate::signal::Picture;

/// Logarithms of silence and of the loudest that is heard in speech as loud as broadcasts.
const RANGE: RangeInclusive<f32> = -10.0..=0.0;

impl Mel {
    /// A pixel a value: time to the right, low tones below; silence is dark blue, what is loud yellow.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) for one without frames.
    pub fn picture(&self) -> Result<Picture> {
        picture(&self.values, self.bins, RANGE)
    }
}

/// As [`Mel::picture`], where `range` is of what becomes dark blue and what becomes yellow.
///
/// # Shapes
/// `[frames, bins]`
pub(crate) fn picture(values: &[f32], bins: usize, range: RangeInclusive<f32>) -> Result<Picture> {
    let frames = values.len() / bins;
    let color = |value: f32| {
        // What is no number is shown as silence; the colours know numbers only.
        let value = value.max(*range.start()).min(*range.end());
        ViridisRGB.get_color_normalized(value, *range.start(), *range.end())
    };
    let places = (0..bins).rev().flat_map(|bin| (0..frames).map(move |frame| frame * bins + bin));
    let rgb = places.map(|place| color(values[place])).flat_map(|color| [color.0, color.1, color.2]);
    Picture::new(frames as u32, bins as u32, rgb.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_right_tones_go_up_and_what_is_loud_is_bright() {
        let mel = Mel { bins: 2, values: vec![-99.0, -10.0, -5.0, -10.0, 0.0, 99.0] };
        let picture = mel.picture().unwrap();
        assert_eq!((picture.width(), picture.height()), (3, 2));
        let light =
            |at: usize| picture.rgb()[3 * at..3 * at + 3].iter().map(|&part| u32::from(part)).sum::<u32>();
        let [above, below] = [[0, 1, 2].map(light), [3, 4, 5].map(light)];
        assert_eq!(above[0], above[1]);
        assert_eq!([above[0], above[2]], [below[0], below[2]]);
        assert!(below[0] < below[1] && below[1] < below[2]);
        assert!(Mel { bins: 2, values: Vec::new() }.picture().is_err());
        let of = |value| Mel { bins: 1, values: vec![value] }.picture().unwrap();
        assert_eq!(of(f32::NAN), of(-10.0));
    }
}

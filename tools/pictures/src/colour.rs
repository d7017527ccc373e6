//! Colour pairs that can be told apart, after WCAG's definition of contrast.

use rand::RngExt;

/// The least contrast between ink and paper: WCAG's bound for large text.
pub const MIN_CONTRAST: f64 = 3.0;

/// An sRGB colour.
pub type Rgb = [u8; 3];

/// WCAG relative luminance, from 0 (black) to 1 (white).
pub fn luminance(colour: Rgb) -> f64 {
    let linear = |channel: u8| {
        let c = f64::from(channel) / 255.0;
        if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(colour[0]) + 0.7152 * linear(colour[1]) + 0.0722 * linear(colour[2])
}

/// WCAG contrast ratio, from 1 (equal) to 21 (black and white).
pub fn contrast(a: Rgb, b: Rgb) -> f64 {
    let (la, lb) = (luminance(a), luminance(b));
    (la.max(lb) + 0.05) / (la.min(lb) + 0.05)
}

/// Random ink and paper with at least [`MIN_CONTRAST`] between them.
pub fn ink_and_paper(rng: &mut impl RngExt) -> (Rgb, Rgb) {
    // About a third of uniform pairs pass, so the fallback is never seen in practice; it is there so
    // that the loop ends whatever the generator gives.
    for _ in 0..100 {
        let (ink, paper): (Rgb, Rgb) = (rng.random(), rng.random());
        if contrast(ink, paper) >= MIN_CONTRAST {
            return (ink, paper);
        }
    }
    ([0; 3], [255; 3])
}

/// `paper` covered by `ink` to the given degree (0 to 1).
pub fn mix(paper: Rgb, ink: Rgb, coverage: f32) -> Rgb {
    std::array::from_fn(|i| {
        let (p, k) = (f32::from(paper[i]), f32::from(ink[i]));
        (p + (k - p) * coverage.clamp(0.0, 1.0)).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn black_on_white_has_the_greatest_contrast_whichever_way_round() {
        assert!((contrast([0; 3], [255; 3]) - 21.0).abs() < 1e-9);
        assert_eq!(contrast([10, 90, 200], [200, 30, 10]), contrast([200, 30, 10], [10, 90, 200]));
        assert!((contrast([7, 8, 9], [7, 8, 9]) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn contrast_agrees_with_a_published_pair() {
        // #767676 on white is the well-known lightest grey that passes 4.5.
        assert!((contrast([0x76; 3], [255; 3]) - 4.54).abs() < 0.01);
    }

    #[test]
    fn every_drawn_pair_is_legible() {
        for k in 0..500 {
            let (ink, paper) = ink_and_paper(&mut crate::keyed::rng(0, 0, 0, k));
            assert!(contrast(ink, paper) >= MIN_CONTRAST);
        }
    }

    #[test]
    fn mixing_ends_at_paper_and_ink() {
        let (paper, ink) = ([1, 2, 3], [250, 240, 230]);
        assert_eq!(mix(paper, ink, 0.0), paper);
        assert_eq!(mix(paper, ink, 1.0), ink);
        assert_eq!(mix([0; 3], [100; 3], 0.5), [50; 3]);
    }
}

//! What the JPEG decoder does not tell: whether the file ends, and whether it holds ink (CMYK).

const START_OF_SCAN: u8 = 0xDA;

/// Reads a JPEG file's segments up to the first scan for the number of its components, and makes sure
/// that the file has an end. Four components are inks (CMYK or YCCK); the decoder makes RGB of them as
/// Pillow and the browsers do, taking 255 for no ink whether or not an Adobe segment says so.
///
/// The decoder fills what is missing of a truncated file with grey and calls it a success, so the
/// end mark is looked for here. A scan cannot contain its two bytes by chance (a 0xFF of the data is
/// followed by 0), and a thumbnail's end stands before the first scan, so it is the picture's own.
///
/// # Errors
/// In words, for a file without a scan or without an end.
pub(super) fn components(bytes: &[u8]) -> Result<u8, String> {
    let mut at = 2;
    let mut components = 0;
    loop {
        let Some(&[mark, kind, high, low]) = bytes.get(at..at + 4) else {
            return Err("truncated: it ends before the pixels begin".into());
        };
        // Fill bytes, and what careless writers leave between segments; these marks have no body.
        if mark != 0xFF || matches!(kind, 0x00 | 0x01 | 0xD0..=0xD8 | 0xFF) {
            at += 1;
            continue;
        }
        match kind {
            START_OF_SCAN => break,
            // The start of a frame: of 0xC0..=0xCF all but the tables 0xC4, 0xC8 and 0xCC.
            0xC0..=0xCF if !matches!(kind, 0xC4 | 0xC8 | 0xCC) => {
                components = bytes.get(at + 9).copied().unwrap_or(0);
            }
            _ => {}
        }
        at += 2 + usize::from(u16::from_be_bytes([high, low]));
    }
    if bytes[at..].windows(2).any(|pair| pair == [0xFF, 0xD9]) {
        Ok(components)
    } else {
        Err("truncated: it has no end-of-picture mark".into())
    }
}

#[cfg(test)]
mod tests {
    use super::components;

    /// Start; a segment of four bytes that holds an end mark; a frame of 3 components; a scan; two bytes.
    const BEGINNING: &[u8] = &[
        0xFF, 0xD8, 0xFF, 0xE1, 0, 6, 0xFF, 0xD9, 0, 0, 0xFF, 0xC0, 0, 11, 8, 0, 1, 0, 1, 3, 0, 0, 0, 0xFF,
        0xDA, 0, 2, 0xFF, 0x00,
    ];

    #[test]
    fn only_an_end_after_the_scan_counts() {
        assert!(components(BEGINNING).unwrap_err().contains("no end-of-picture mark"));
        assert_eq!(components(&[BEGINNING, &[0xFF, 0xD9]].concat()), Ok(3));
        assert!(components(&BEGINNING[..20]).unwrap_err().contains("before the pixels begin"));
        assert!(components(&[]).is_err());
    }

    #[test]
    fn bytes_between_segments_are_passed_over() {
        let padded = [&BEGINNING[..10], &[7, 0xFF], &BEGINNING[10..], &[0xFF, 0xD9]].concat();
        assert_eq!(components(&padded), Ok(3));
    }
}

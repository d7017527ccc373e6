//! Every kind of file that must be read, and every kind of damage that must not be.

use ::image::{DynamicImage, ImageFormat, Luma, LumaA, Rgb, Rgba};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

const CMYK_ADOBE: &[u8] = include_bytes!("../../tests/data/cmyk-adobe.jpg");
const CMYK_BARE: &[u8] = include_bytes!("../../tests/data/cmyk-bare.jpg");
const YCCK_ADOBE: &[u8] = include_bytes!("../../tests/data/ycck-adobe.jpg");
const TURNED: &[u8] = include_bytes!("../../tests/data/turned.jpg");

const FORMATS: [ImageFormat; 8] = [
    ImageFormat::Png,
    ImageFormat::Jpeg,
    ImageFormat::Gif,
    ImageFormat::Bmp,
    ImageFormat::WebP,
    ImageFormat::Tiff,
    ImageFormat::Pnm,
    ImageFormat::Tga,
];

fn encode(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A 24 x 16 picture: red left, blue right, each half a whole number of 8 x 8 blocks wide.
fn two_halves() -> DynamicImage {
    let colour = |x| if x < 8 { Rgb([255, 0, 0]) } else { Rgb([0, 0, 255]) };
    ::image::RgbImage::from_fn(24, 16, |x, _| colour(x)).into()
}

fn one_pixel(image: impl Into<DynamicImage>, format: ImageFormat) -> (Vec<u8>, &'static str) {
    let bytes = encode(&image.into(), format);
    let decoded = decode(&bytes, Path::new("one.tga")).unwrap();
    (decoded.picture.into_rgb(), decoded.pixels)
}

fn reason(result: Result<Decoded>) -> String {
    match result.unwrap_err() {
        Error::File { reason, .. } => reason,
        other => panic!("{other}"),
    }
}

fn close(found: &[u8], expected: [u8; 3], within: u8) -> bool {
    found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= within)
}

#[test]
fn every_format_is_told_by_its_content_and_read() {
    let folder = tempfile::tempdir().unwrap();
    for format in FORMATS {
        // A wrong extension must not matter; only TGA needs its own.
        let name = if format == ImageFormat::Tga { "a.TGA" } else { "a.xyz" };
        let path = folder.path().join(name);
        std::fs::write(&path, encode(&two_halves(), format)).unwrap();
        let decoded = open(&path).unwrap();
        assert_eq!(decoded.format, name_of(format));
        let picture = decoded.picture;
        assert_eq!((picture.width(), picture.height()), (24, 16), "{format:?}");
        assert!(close(&picture.rgb()[..3], [255, 0, 0], 3), "{format:?} {:?}", &picture.rgb()[..3]);
        let last = &picture.rgb()[24 * 16 * 3 - 3..];
        assert!(close(last, [0, 0, 255], 3), "{format:?} {last:?}");
    }
}

#[test]
fn grey_becomes_three_equal_channels() {
    let grey = ::image::GrayImage::from_pixel(1, 1, Luma([77]));
    for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::Tiff, ImageFormat::Pnm] {
        assert_eq!(one_pixel(grey.clone(), format).0, [77; 3], "{format:?}");
    }
    let (jpeg, pixels) = one_pixel(grey, ImageFormat::Jpeg);
    assert!(close(&jpeg, [77; 3], 1));
    assert_eq!(pixels, "grey");
}

#[test]
fn transparency_shows_white() {
    // 100 at 51/255 = 0.2: 0.2 * 100 + 0.8 * 255 = 224
    let grey = ::image::GrayAlphaImage::from_pixel(1, 1, LumaA([100, 51]));
    assert_eq!(one_pixel(grey, ImageFormat::Png), (vec![224; 3], "grey+alpha"));
    let colour = ::image::RgbaImage::from_pixel(1, 1, Rgba([0, 100, 255, 51]));
    assert_eq!(one_pixel(colour.clone(), ImageFormat::Png), (vec![204, 224, 255], "rgb+alpha"));
    assert_eq!(one_pixel(colour, ImageFormat::WebP).0, [204, 224, 255]);
    let clear = ::image::RgbaImage::from_pixel(1, 1, Rgba([9, 9, 9, 0]));
    assert_eq!(one_pixel(clear.clone(), ImageFormat::Gif).0, [255; 3]);
    assert_eq!(one_pixel(clear, ImageFormat::Tga).0, [255; 3]);
}

#[test]
fn sixteen_bits_become_eight() {
    // 0x8080 = 128 * 257, 65535 = 255 * 257
    type Rgb16 = ::image::ImageBuffer<Rgb<u16>, Vec<u16>>;
    type Luma16 = ::image::ImageBuffer<Luma<u16>, Vec<u16>>;
    type Rgba16 = ::image::ImageBuffer<Rgba<u16>, Vec<u16>>;
    for format in [ImageFormat::Png, ImageFormat::Tiff] {
        let colour = Rgb16::from_pixel(1, 1, Rgb([0x8080, 0, 65535]));
        assert_eq!(one_pixel(colour, format), (vec![128, 0, 255], "16-bit rgb"));
        let grey = Luma16::from_pixel(1, 1, Luma([0x8080]));
        assert_eq!(one_pixel(grey, format), (vec![128; 3], "16-bit grey"));
        let clear = Rgba16::from_pixel(1, 1, Rgba([0, 0, 0, 0x3333]));
        assert_eq!(one_pixel(clear, format), (vec![204; 3], "16-bit rgb+alpha"));
    }
}

#[test]
fn inks_become_light() {
    // Light is (255 - ink) * (255 - black) / 255: 204 * 204, 153 * 204 and 102 * 204 by 255.
    for (name, bytes) in [("adobe", CMYK_ADOBE), ("bare", CMYK_BARE), ("ycck", YCCK_ADOBE)] {
        let decoded = decode(bytes, Path::new("inks.jpg")).unwrap();
        assert_eq!(decoded.pixels, "cmyk", "{name}");
        let pixel = &decoded.picture.rgb()[..3];
        assert!(close(pixel, [163, 122, 82], 2), "{name}: {pixel:?}");
    }
}

#[test]
fn a_turned_picture_is_set_upright() {
    let picture = decode(TURNED, Path::new("turned.jpg")).unwrap().picture;
    assert_eq!((picture.width(), picture.height()), (8, 16));
    assert!(close(&picture.rgb()[..3], [255, 0, 0], 3));
    assert!(close(&picture.rgb()[8 * 15 * 3..], [0, 0, 255], 3));
}

#[test]
fn what_is_no_picture_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    assert!(matches!(open(&path), Err(Error::Io { .. })));
    assert_eq!(reason(open(folder.path())), "not a regular file");
    std::fs::write(&path, b"").unwrap();
    assert_eq!(reason(open(&path)), "the file is empty");
    std::fs::write(&path, b"<!DOCTYPE html><html></html>").unwrap();
    assert_eq!(reason(open(&path)), "not a picture of a known format");
    let avif = b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf";
    assert_eq!(reason(decode(avif, &path)), "avif pictures cannot be read");
}

#[test]
fn a_truncated_file_is_refused() {
    let noise =
        ::image::RgbImage::from_fn(64, 48, |x, y| Rgb([(x * y) as u8, (x * 31) as u8, (y * 17) as u8]));
    for format in FORMATS {
        let bytes = encode(&noise.clone().into(), format);
        let name = if format == ImageFormat::Tga { "a.tga" } else { "a" };
        for keep in [10, bytes.len() / 4, bytes.len() / 2, bytes.len() * 3 / 4] {
            let result = decode(&bytes[..keep], Path::new(name));
            assert!(result.is_err(), "{format:?} with {keep} of {} bytes", bytes.len());
        }
    }
}

#[test]
fn a_file_that_claims_a_giant_picture_is_refused() {
    // A PNG of one pixel, its width (bytes 16..20) and height (20..24) raised, with the CRC to match.
    let mut bytes = encode(&::image::RgbImage::new(1, 1).into(), ImageFormat::Png);
    bytes[16..20].copy_from_slice(&60_000_u32.to_be_bytes());
    bytes[20..24].copy_from_slice(&60_000_u32.to_be_bytes());
    let checksum = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&checksum.to_be_bytes());
    assert_eq!(reason(decode(&bytes, Path::new("a"))), "60000 x 60000 pixels are too many");
    // The same with a text header.
    let text = b"P6\n70000 1\n255\n";
    assert_eq!(reason(decode(text, Path::new("a"))), "70000 x 1 pixels are too many");
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

#[test]
fn damaged_bytes_give_a_picture_or_an_error_but_never_a_panic() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for format in FORMATS {
        let whole = encode(&two_halves(), format);
        for _ in 0..300 {
            let mut bytes = whole.clone();
            for _ in 0..rng.random_range(1..6) {
                let at = rng.random_range(0..bytes.len());
                bytes[at] = rng.random();
            }
            if rng.random_bool(0.3) {
                bytes.truncate(rng.random_range(0..bytes.len()));
            }
            // Either outcome is right; the sizes must agree with the pixels, which `new` has checked.
            let _ = decode(&bytes, Path::new("a.tga"));
        }
    }
}

//! Reading picture files: any common format in, eight-bit RGB out, errors instead of surprises.

use std::io::{Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use ::image::metadata::Orientation;
use ::image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageFormat, ImageReader, Limits};

use crate::error::{Error, Result};
use crate::signal::{Picture, jpeg};

/// The longest side a picture may have, in pixels (what a JPEG can say at most).
const MAX_SIDE: u32 = 65_535;
/// The most bytes that decoding one picture may take: 512 MiB.
const MAX_DECODED: u64 = 512 << 20;
/// The most bytes that a picture file may have: 1 GiB.
const MAX_FILE: u64 = 1 << 30;

/// A picture as read from a file, with what the file itself held.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The picture: upright, eight-bit RGB.
    pub picture: Picture,
    /// The file format, in lower case: `png`, `jpeg`, ...
    pub format: &'static str,
    /// The file's kind of pixels: `rgb`, `grey`, `rgb+alpha`, `cmyk`, `16-bit rgb`, ...
    pub pixels: &'static str,
}

/// Reads the picture file at `path`.
///
/// The format is told by the content (by the extension for TGA only, which has no mark). Grey,
/// 16-bit, palette and CMYK pictures become eight-bit RGB; transparent ones are laid over white; the
/// EXIF orientation is applied; of an animation the first frame is read. Colour profiles are ignored.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read; [`Error::File`] when it is no picture, is truncated or
/// corrupt, or would take more than 512 MiB or 65535 pixels a side.
pub fn open(path: impl AsRef<Path>) -> Result<Decoded> {
    let path = path.as_ref();
    decode(&read(path)?, path)
}

/// Reads a whole file that may hold a picture.
///
/// # Errors
/// [`Error::Io`] when it cannot be read, [`Error::File`] when it is not a regular file of at most 1 GiB.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let about = std::fs::metadata(path).map_err(Error::io(path))?;
    // Opening a pipe would wait for ever for someone to write to it.
    if !about.is_file() {
        return Err(Error::file(path, "not a regular file"));
    }
    if about.len() > MAX_FILE {
        return Err(Error::file(path, format!("{} bytes are too many for a picture", about.len())));
    }
    let mut bytes = Vec::with_capacity(about.len() as usize);
    let file = std::fs::File::open(path).map_err(Error::io(path))?;
    file.take(MAX_FILE).read_to_end(&mut bytes).map_err(Error::io(path))?;
    Ok(bytes)
}

/// Decodes the content `bytes` of the picture file `path` (named in errors, and for its extension).
///
/// # Errors
/// [`Error::File`], as [`open`].
pub fn decode(bytes: &[u8], path: &Path) -> Result<Decoded> {
    let format = format_of(bytes, path)?;
    // The decoders are written for well-formed files and assert some of what they expect; one bad
    // file among a million must not end a training run. Nothing outlives the call but the result,
    // so there is no state a panic could leave broken. (The process's panic hook still hears of it.)
    catch_unwind(AssertUnwindSafe(|| decode_as(bytes, format)))
        .unwrap_or_else(|_| Err("corrupt: the decoder gave up".to_owned()))
        .map_err(|reason| Error::file(path, reason))
}

fn format_of(bytes: &[u8], path: &Path) -> Result<ImageFormat> {
    if bytes.is_empty() {
        return Err(Error::file(path, "the file is empty"));
    }
    let is_tga = || path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("tga"));
    match ::image::guess_format(bytes) {
        Ok(format) if format.reading_enabled() => Ok(format),
        Ok(format) => Err(Error::file(path, format!("{} pictures cannot be read", name_of(format)))),
        Err(_) if is_tga() => Ok(ImageFormat::Tga),
        Err(_) => Err(Error::file(path, "not a picture of a known format")),
    }
}

fn name_of(format: ImageFormat) -> &'static str {
    match format {
        // Their first extensions are `jpg` and `pbm`.
        ImageFormat::Jpeg => "jpeg",
        ImageFormat::Pnm => "pnm",
        other => other.extensions_str().first().copied().unwrap_or("unknown"),
    }
}

/// The decoding proper; an error is a reason in words.
fn decode_as(bytes: &[u8], format: ImageFormat) -> Result<Decoded, String> {
    let components = match format {
        ImageFormat::Jpeg => jpeg::components(bytes)?,
        _ => 0,
    };
    let mut decoder =
        ImageReader::with_format(Cursor::new(bytes), format).into_decoder().map_err(in_words)?;
    let (width, height) = decoder.dimensions();
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODED);
    let too_large = |_| format!("{width} x {height} pixels are too many");
    limits.check_dimensions(width, height).map_err(too_large)?;
    limits.reserve(decoder.total_bytes()).map_err(too_large)?;
    decoder.set_limits(limits).map_err(in_words)?;

    // A damaged note about the orientation is no reason to refuse the picture.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let pixels = if components == 4 { "cmyk" } else { pixels_of(decoder.original_color_type()) };
    let mut image = DynamicImage::from_decoder(decoder).map_err(in_words)?;
    image.apply_orientation(orientation);
    Ok(Decoded { picture: picture_of(image)?, format: name_of(format), pixels })
}

/// The library's errors, without the words that only a programmer needs.
fn in_words(error: ::image::ImageError) -> String {
    let error = error.to_string();
    error.strip_prefix("Format error decoding ").map_or(error.clone(), |rest| format!("corrupt {rest}"))
}

fn picture_of(image: DynamicImage) -> Result<Picture, String> {
    let (width, height) = (image.width(), image.height());
    let rgb = if image.color().has_alpha() {
        over_white(&image.into_rgba8())
    } else {
        image.into_rgb8().into_raw()
    };
    Picture::new(width, height, rgb).map_err(|error| error.to_string())
}

fn over_white(rgba: &[u8]) -> Vec<u8> {
    let blend = |value: u8, alpha: u8| {
        let (value, alpha) = (u32::from(value), u32::from(alpha));
        ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
    };
    rgba.chunks_exact(4).flat_map(|p| [blend(p[0], p[3]), blend(p[1], p[3]), blend(p[2], p[3])]).collect()
}

fn pixels_of(kind: ExtendedColorType) -> &'static str {
    use ExtendedColorType as Kind;
    match kind {
        Kind::L1 | Kind::L2 | Kind::L4 | Kind::L8 => "grey",
        Kind::La1 | Kind::La2 | Kind::La4 | Kind::La8 => "grey+alpha",
        Kind::Rgb8 | Kind::Rgb1 | Kind::Rgb2 | Kind::Rgb4 | Kind::Rgb5x1 | Kind::Bgr8 => "rgb",
        Kind::Rgba8 | Kind::Rgba1 | Kind::Rgba2 | Kind::Rgba4 | Kind::Bgra8 => "rgb+alpha",
        Kind::L16 => "16-bit grey",
        Kind::La16 => "16-bit grey+alpha",
        Kind::Rgb16 => "16-bit rgb",
        Kind::Rgba16 => "16-bit rgb+alpha",
        Kind::Rgb32F => "float rgb",
        Kind::Rgba32F => "float rgb+alpha",
        Kind::Cmyk8 => "cmyk",
        Kind::Cmyk16 => "16-bit cmyk",
        _ => "other",
    }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;

//! Events are read back with a decoder that shares no code with the writer.
//!
//! Beside these tests, the two files of `sample` were once loaded with the `EventAccumulator` of the Python package
//! tensorboard 2.21.0: it listed the same tags, steps and values, gave back the picture's bytes with its size, and
//! dropped step 3 of the first file ("Purging expired events ... Removing 1 scalars") for that of the second.

use std::fs;
use std::path::PathBuf;

use super::*;

/// A decoded field: its number, and its value as a number or as bytes.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Number(u64),
    Bytes(Vec<u8>),
}

fn take_varint(data: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let (byte, rest) = data.split_first().unwrap();
        *data = rest;
        value |= u64::from(byte & 127) << shift;
        if byte & 128 == 0 {
            break;
        }
    }
    value
}

fn take<'a>(data: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, rest) = data.split_at(count);
    *data = rest;
    taken
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

fn decode(mut data: &[u8]) -> Vec<(u64, Value)> {
    let mut fields = Vec::new();
    while !data.is_empty() {
        let key = take_varint(&mut data);
        let value = match key & 7 {
            0 => Value::Number(take_varint(&mut data)),
            1 => Value::Number(number(take(&mut data, 8))),
            5 => Value::Number(number(take(&mut data, 4))),
            2 => {
                let count = take_varint(&mut data) as usize;
                Value::Bytes(take(&mut data, count).to_vec())
            }
            wire => panic!("wire type {wire}"),
        };
        fields.push((key >> 3, value));
    }
    fields
}

/// The Castagnoli polynomial, bit by bit.
fn slow_masked_crc(data: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in data {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    let crc = !crc;
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// The events of a file, each without its time.
fn events(path: &Path) -> Vec<Vec<(u64, Value)>> {
    let bytes = fs::read(path).unwrap();
    let mut data = bytes.as_slice();
    let mut events = Vec::new();
    while !data.is_empty() {
        let length = take(&mut data, 8);
        assert_eq!(number(take(&mut data, 4)), u64::from(slow_masked_crc(length)));
        let event = take(&mut data, number(length) as usize);
        assert_eq!(number(take(&mut data, 4)), u64::from(slow_masked_crc(event)));
        let mut fields = decode(event);
        let (field, Value::Number(time)) = fields.remove(0) else { panic!("no time") };
        assert!(field == 1 && f64::from_bits(time) > 1.7e9);
        events.push(fields);
    }
    events
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn png() -> Vec<u8> {
    let mut png = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_fn(5, 3, |x, y| image::Rgb([x as u8 * 50, y as u8 * 80, 9]))
        .write_to(&mut png, image::ImageFormat::Png)
        .unwrap();
    png.into_inner()
}

/// Two starts of one run: the first reaches step 3, the second goes on from step 2.
fn sample(dir: &Path) {
    let mut first = EventWriter::create(dir, None).unwrap();
    first.scalars(1, &[("train/loss", 0.5), ("rate", 1e-4)]).unwrap();
    first.scalars(2, &[("train/loss", 0.25)]).unwrap();
    first.image("samples", 2, &png()).unwrap();
    first.scalars(3, &[("train/loss", 99.0)]).unwrap();
    let mut second = EventWriter::create(dir, Some(2)).unwrap();
    second.scalars(3, &[("train/loss", 0.125)]).unwrap();
    second.flush().unwrap();
}

fn bytes(text: &str) -> Value {
    Value::Bytes(text.into())
}

fn only(fields: &[(u64, Value)], number: u64) -> Vec<(u64, Value)> {
    match fields {
        [.., (field, Value::Bytes(inner))] if *field == number => decode(inner),
        other => panic!("{other:?}"),
    }
}

#[test]
fn events_read_back() {
    let dir = tempfile::tempdir().unwrap();
    sample(dir.path());
    let [first, second] = &files(dir.path())[..] else { panic!("two files") };

    let written = events(first);
    assert_eq!(written.len(), 6);
    assert_eq!(written[0], [(2, Value::Number(0)), (3, bytes("brain.Event:2"))]);
    assert_eq!(written[2][0], (2, Value::Number(1)));
    let summary = only(&written[2], 5);
    assert_eq!(summary.len(), 2);
    let loss = [(1, bytes("train/loss")), (2, Value::Number(0.5_f32.to_bits().into()))];
    assert_eq!(only(&summary[..1], 1), loss);

    let image = only(&only(&written[4], 5), 1);
    assert_eq!(image[0], (1, bytes("samples")));
    let (height, width, rgb) = (Value::Number(3), Value::Number(5), Value::Number(3));
    assert_eq!(only(&image, 4), [(1, height), (2, width), (3, rgb), (4, Value::Bytes(png()))]);

    let restart = &events(second)[1];
    assert_eq!(restart[0], (2, Value::Number(3)));
    assert_eq!(only(restart, 7), [(1, Value::Number(1))]);
}

#[test]
fn a_restart_within_a_second_sorts_after_the_first_start() {
    let dir = tempfile::tempdir().unwrap();
    for resume in [None, Some(1), Some(2)] {
        EventWriter::create(dir.path(), resume).unwrap();
    }
    let restarts: Vec<_> = files(dir.path()).iter().map(|path| events(path)[1][0].1.clone()).collect();
    assert_eq!(restarts, [Value::Number(0), Value::Number(2), Value::Number(3)]);
}

#[test]
fn the_checksum_is_the_castagnoli_one() {
    // The check value of CRC-32C; that of CRC-32 (IEEE) is 0xcbf43926.
    assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
    assert_eq!(masked_crc(b"123456789"), slow_masked_crc(b"123456789"));
}

#[test]
fn what_is_no_png_and_a_missing_folder_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = EventWriter::create(dir.path(), None).unwrap();
    assert!(matches!(writer.image("samples", 1, b"GIF89a"), Err(Error::Argument { name: "png", .. })));
    assert!(matches!(EventWriter::create(dir.path().join("absent"), None), Err(Error::Io { .. })));
}

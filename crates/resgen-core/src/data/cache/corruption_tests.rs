//! A damaged cache is refused, or it still says the same; it never panics and never lies.

use std::path::Path;

use rand::RngExt;

use super::header::{CacheHeader, VERSION, header_path, unfinished_path};
use super::tests::{build_in, files, inputs, options, pictures};
use super::*;
use crate::error::Error;
use crate::random::{Purpose, stream};
use crate::sealed;

const DAMAGES: u64 = 150;

/// One damage of a kind drawn by `number`: a cut, a flipped bit, a changed byte, or bytes too many.
fn damaged(bytes: &[u8], number: u64) -> Vec<u8> {
    let mut rng = stream(3, Purpose::Synthetic, number, bytes.len() as u64);
    let (mut bytes, place) = (bytes.to_vec(), rng.random_range(0..bytes.len()));
    match number % 4 {
        0 => bytes.truncate(place),
        1 => bytes[place] ^= 1 << rng.random_range(0..8),
        2 => bytes[place] = rng.random(),
        _ => bytes.insert(place, rng.random()),
    }
    bytes
}

fn content(cache: &TokenCache) -> (CacheHeader, Vec<u32>, Vec<u16>) {
    let all: Vec<usize> = (0..cache.len()).collect();
    let classes = all.iter().map(|&signal| cache.class_of(signal).unwrap()).collect();
    (cache.header().clone(), classes, cache.codes(&all).unwrap().into_values())
}

#[test]
fn a_damaged_cache_is_an_error_or_the_same_cache() {
    let (root, dir) = (pictures(), tempfile::tempdir().unwrap());
    build_in(dir.path(), root.path(), &options()).unwrap();
    let expected = content(&TokenCache::open(dir.path()).unwrap());
    for (name, bytes) in files(dir.path()) {
        let path = dir.path().join(&name);
        for number in 0..DAMAGES {
            std::fs::write(&path, damaged(&bytes, number)).unwrap();
            match TokenCache::open(dir.path()) {
                Ok(cache) => assert_eq!(content(&cache), expected, "{name}, damage {number}"),
                Err(Error::File { path: at, .. }) => assert_eq!(at, path),
                Err(error) => panic!("{name}, damage {number}: {error}"),
            }
        }
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(TokenCache::open(dir.path()), Err(Error::Io { path: at, .. }) if at == path));
        std::fs::write(&path, bytes).unwrap();
    }
}

#[test]
fn a_damaged_note_of_an_unfinished_build_is_an_error_or_harmless() {
    let (root, whole, dir) = (pictures(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    build_in(whole.path(), root.path(), &options()).unwrap();
    let expected = files(whole.path());
    let header = CacheHeader::read(whole.path()).unwrap();
    let begun = super::header::Unfinished { inputs: header.inputs, shards: Vec::new() };
    let path = unfinished_path(dir.path());
    sealed::write(&path, VERSION, &begun).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for number in 0..DAMAGES {
        std::fs::write(&path, damaged(&bytes, number)).unwrap();
        match build_in(dir.path(), root.path(), &options()) {
            Ok(_) => assert_eq!(files(dir.path()), expected, "damage {number}"),
            Err(Error::File { path: at, .. }) => assert_eq!(at, path),
            Err(error) => panic!("damage {number}: {error}"),
        }
        let _ = std::fs::remove_file(header_path(dir.path()));
    }
}

/// Writes `header` with a right checksum and tells why it is refused.
fn refused(dir: &Path, header: &CacheHeader) -> String {
    sealed::write(&header_path(dir), VERSION, header).unwrap();
    match TokenCache::open(dir) {
        Err(error @ Error::File { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_header_of_absurd_numbers_is_refused_before_anything_is_allocated() {
    let dir = tempfile::tempdir().unwrap();
    let shards = vec![ShardEntry { count: 1, crc32: 0 }];
    let header = CacheHeader { inputs: inputs(), signals: 1, shards, unreadable: Vec::new() };
    std::fs::write(dir.path().join("shard-00000.codes"), [0; 36]).unwrap();
    assert!(refused(dir.path(), &header).contains("checksum: expected 00000000, found "));

    let mut other = header.clone();
    (other.signals, other.shards[0].count) = (usize::MAX, usize::MAX);
    assert!(refused(dir.path(), &other).contains("expected 18446744073709551615 bytes"));
    let mut other = header.clone();
    other.shards.push(ShardEntry { count: usize::MAX, crc32: 0 });
    assert!(refused(dir.path(), &other).contains("`signals`: expected 18446744073709551615"));
    let mut other = header.clone();
    (other.signals, other.shards) = (0, Vec::new());
    assert!(refused(dir.path(), &other).contains("it holds no signals"));
    let mut other = header.clone();
    other.inputs.positions = usize::MAX;
    assert!(refused(dir.path(), &other).contains("`positions`: expected 1 to 16777216"));
    let mut other = header.clone();
    other.inputs.depth = 0;
    assert!(refused(dir.path(), &other).contains("`depth`: expected 1 to 256, found 0"));
    let mut other = header;
    other.inputs.vocabulary = 65536;
    assert!(refused(dir.path(), &other).contains("`vocabulary`: expected 1 to 65535"));
}

#[test]
fn codes_and_classes_out_of_range_are_refused_whatever_the_checksum_says() {
    let dir = tempfile::tempdir().unwrap();
    let refused_with = |class: u32, code: u16| {
        let values = vec![0, 0, 0, 0, 0, 0, 0, code];
        let bytes = shard::to_bytes(&shard::Signals { classes: vec![class], values }, 8).unwrap();
        std::fs::write(dir.path().join("shard-00000.codes"), &bytes).unwrap();
        let shards = vec![ShardEntry { count: 1, crc32: crc32fast::hash(&bytes) }];
        let header = CacheHeader { inputs: inputs(), signals: 1, shards, unreadable: Vec::new() };
        refused(dir.path(), &header)
    };
    assert!(refused_with(2, 0).contains("class of signal 0: expected less than 2, found 2"));
    let error = refused_with(1, 5);
    assert!(
        error.contains("code of signal 0, position 3, depth 1: expected less than 5, found 5"),
        "{error}"
    );
}

#[test]
fn another_version_is_named() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(header_path(dir.path()), br#"{"version": 2, "something": "else"}"#).unwrap();
    let error = TokenCache::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("`version`: expected 1, found 2"), "{error}");
}

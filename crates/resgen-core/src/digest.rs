//! Hashes as texts.

use sha2::Sha256;
use sha2::digest::Digest;

/// Bytes of a hash that are written down: enough to tell any two things apart.
const WRITTEN: usize = 16;

/// That of some bytes.
pub(crate) fn of(bytes: &[u8]) -> String {
    short(Sha256::new_with_prefix(bytes))
}

/// The first half of a finished hash, in hexadecimal digits.
pub(crate) fn short(hash: Sha256) -> String {
    hash.finalize().iter().take(WRITTEN).map(|byte| format!("{byte:02x}")).collect()
}

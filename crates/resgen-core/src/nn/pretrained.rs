//! Weights that others trained, by name: safetensors files and PyTorch checkpoints.

use std::any::Any;
use std::fs::File;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use burn::tensor::TensorData;
use burn_store::pytorch_reader::{DType, PytorchReader};
use half::{bf16, f16};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::parameters::NamedTensors;
use crate::error::{Error, Result};

/// Bytes of decoded tensors allowed per byte of file. Tied weights may decode one storage a few times;
/// a stride of zero or a compressed storage could claim any size.
const MAX_EXPANSION: u64 = 4;

const TAR_BLOCK: usize = 512;
const TAR_KIND: usize = 156;
const TAR_MAGIC: std::ops::Range<usize> = 257..262;

/// Reads every floating-point tensor of a `.safetensors` file or a PyTorch checkpoint (`.pth`, `.pt`) as
/// f32. The content tells the formats apart, not the file's name. Integer tensors (step counters, position
/// indices) are left out; names of nested dictionaries are joined by dots.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read; [`Error::File`] where it is truncated, damaged or of
/// neither format.
pub fn read_weights(path: impl AsRef<Path>) -> Result<NamedTensors> {
    let path = path.as_ref();
    let about = std::fs::metadata(path).map_err(Error::io(path))?;
    if !about.is_file() {
        return Err(Error::file(path, "expected a file of weights, found a folder or a device"));
    }
    let tensors = match detect(path)? {
        Format::Safetensors => {
            let bytes = std::fs::read(path).map_err(Error::io(path))?;
            contained(|| read_safetensors(&bytes))
        }
        Format::Pytorch => contained(|| read_pytorch(path, about.len())),
        Format::Unknown => Err("neither a safetensors file nor a PyTorch checkpoint".into()),
    };
    match tensors {
        Ok(tensors) if tensors.is_empty() => Err(Error::file(path, "holds no floating-point tensor")),
        Ok(tensors) => Ok(tensors),
        Err(reason) => Err(Error::file(path, reason)),
    }
}

enum Format {
    Safetensors,
    Pytorch,
    Unknown,
}

/// Looks at the first bytes: a safetensors file is a length and a JSON object; a checkpoint is a zip
/// archive, a pickle stream or, from before 2017, a tar archive.
fn detect(path: &Path) -> Result<Format> {
    let mut start = Vec::new();
    let file = File::open(path).map_err(Error::io(path))?;
    file.take(TAR_BLOCK as u64).read_to_end(&mut start).map_err(Error::io(path))?;
    // A JSON header of 128 bytes starts like a pickle, so this question comes first.
    Ok(if start.get(8) == Some(&b'{') && !start.starts_with(b"PK") {
        Format::Safetensors
    } else if start.starts_with(b"PK\x03\x04") || start.first() == Some(&0x80) || is_tar_header(&start) {
        Format::Pytorch
    } else {
        Format::Unknown
    })
}

fn is_tar_header(block: &[u8]) -> bool {
    block.get(TAR_MAGIC) == Some(b"ustar")
}

/// Runs a parser and turns a panic into an error. The parsers are other people's and the bytes may be
/// hostile: whatever case they overlooked must not end the program.
fn contained(parse: impl FnOnce() -> Result<NamedTensors, String>) -> Result<NamedTensors, String> {
    // Nothing the parser touched outlives a panic, so there is no broken state to see afterwards.
    catch_unwind(AssertUnwindSafe(parse))
        .unwrap_or_else(|panic| Err(format!("damaged: {}", panic_text(&*panic))))
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("its reader gave up")
}

fn read_safetensors(bytes: &[u8]) -> Result<NamedTensors, String> {
    let length = bytes.first_chunk::<8>().map_or(0, |length| u64::from_le_bytes(*length));
    let rest = bytes.len().saturating_sub(8) as u64;
    if length > rest {
        return Err(format!("truncated safetensors file: its header takes {length} bytes, {rest} are there"));
    }
    // The crate checks that the declared tensors fill the rest of the file exactly.
    let file = SafeTensors::deserialize(bytes)
        .map_err(|error| format!("damaged or truncated safetensors file: {error}"))?;
    let mut tensors = NamedTensors::new();
    for (name, view) in file.iter() {
        if let Some(values) = floats(&view) {
            tensors.insert(name.to_owned(), TensorData::new(values, view.shape().to_vec()));
        }
    }
    Ok(tensors)
}

/// The values of a tensor of any float type; none for other types.
pub(crate) fn floats(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let element = match view.dtype() {
        Dtype::F64 => Element::F64,
        Dtype::F32 => Element::F32,
        Dtype::F16 => Element::F16,
        Dtype::BF16 => Element::Bf16,
        _ => return None,
    };
    Some(element.decode(view.data()))
}

fn read_pytorch(path: &Path, length: u64) -> Result<NamedTensors, String> {
    let damaged = |error: &dyn std::fmt::Display| format!("damaged or truncated PyTorch checkpoint: {error}");
    refuse_sparse_tar(path).map_err(|error| damaged(&error))?;
    let reader = PytorchReader::new(path).map_err(|error| damaged(&error))?;
    let mut total = 0u64;
    let mut tensors = NamedTensors::new();
    for (name, tensor) in reader.tensors() {
        let element = match tensor.dtype() {
            DType::F64 => Element::F64,
            DType::F32 => Element::F32,
            DType::F16 => Element::F16,
            DType::BF16 => Element::Bf16,
            _ => continue,
        };
        total = total.saturating_add(tensor.byte_len() as u64);
        if total > length.saturating_mul(MAX_EXPANSION) {
            return Err(damaged(&format!("its tensors claim far more than its {length} bytes")));
        }
        // The reader gives native-endian bytes, which is little-endian wherever Burn runs.
        let values = element.decode(&tensor.read().map_err(|error| damaged(&error))?);
        tensors.insert(name.clone(), TensorData::new(values, tensor.shape().to_vec()));
    }
    Ok(tensors)
}

/// The tar reader fills the holes of a sparse entry with as many zeros as its header asks for, so a small
/// file could ask for all memory. PyTorch never wrote sparse entries.
fn refuse_sparse_tar(path: &Path) -> std::io::Result<()> {
    let mut file = std::io::BufReader::new(File::open(path)?);
    let mut block = [0; TAR_BLOCK];
    let mut is_first = true;
    while file.read_exact(&mut block).is_ok() {
        if is_first && !is_tar_header(&block) {
            return Ok(());
        }
        if is_tar_header(&block) && block[TAR_KIND] == b'S' {
            return Err(std::io::Error::other("a sparse tar entry"));
        }
        is_first = false;
    }
    Ok(())
}

/// A floating-point type as stored.
#[derive(Clone, Copy)]
enum Element {
    F64,
    F32,
    F16,
    Bf16,
}

impl Element {
    fn decode(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::F64 => each(bytes, |value| f64::from_le_bytes(value) as f32),
            Self::F32 => each(bytes, f32::from_le_bytes),
            Self::F16 => each(bytes, |value| f16::from_le_bytes(value).to_f32()),
            Self::Bf16 => each(bytes, |value| bf16::from_le_bytes(value).to_f32()),
        }
    }
}

fn each<const N: usize>(bytes: &[u8], decode: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks::<N>().0.iter().map(|chunk| decode(*chunk)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    fn message(bytes: &[u8]) -> String {
        let file = written(bytes);
        let text = read_weights(file.path()).unwrap_err().to_string();
        assert!(text.starts_with(file.path().to_str().unwrap()), "{text}");
        text
    }

    fn safetensors_file() -> Vec<u8> {
        let f32s: Vec<u8> = [1.5f32, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        // 1.0 is 0x3C00 in f16 and 0x3F80 in bf16.
        let views = [
            ("full", TensorView::new(Dtype::F32, vec![2, 1], &f32s).unwrap()),
            ("half", TensorView::new(Dtype::F16, vec![1], &[0x00, 0x3C]).unwrap()),
            ("brain", TensorView::new(Dtype::BF16, vec![1], &[0x80, 0x3F]).unwrap()),
            ("steps", TensorView::new(Dtype::I64, vec![1], &[0; 8]).unwrap()),
        ];
        safetensors::serialize(views, None).unwrap()
    }

    /// `torch.save({'w': tensor([[1, 2], [3, 4]]).t()})` as PyTorch 0.1.10 to 1.5 wrote it: a pickle each for
    /// magic number, protocol, system, object and storage keys, then the storage.
    fn checkpoint() -> Vec<u8> {
        let text = |text: &str| [&b"X"[..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
        let pickle = |parts: &[&[u8]]| [&b"\x80\x02"[..], &parts.concat(), b"."].concat();
        let storage =
            [&b"(("[..], &text("storage"), b"ctorch\nFloatStorage\n", &text("0"), &text("cpu"), b"K\x04NtQ"];
        // Offset 0, sizes (2, 2), strides (1, 2), no gradient, no hooks.
        let layout = b"K\x00K\x02K\x02\x86K\x01K\x02\x86\x89ccollections\nOrderedDict\n)RtR";
        let rebuild: &[u8] = b"ctorch._utils\n_rebuild_tensor_v2\n";
        [
            pickle(&[b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"]),
            pickle(&[b"M\xe9\x03"]),
            pickle(&[b"}", &text("little_endian"), b"\x88s"]),
            pickle(&[b"}", &text("w"), rebuild, &storage.concat(), layout, b"s"]),
            pickle(&[b"]", &text("0"), b"a"]),
            4i64.to_le_bytes().to_vec(),
            [1f32, 2.0, 3.0, 4.0].iter().flat_map(|v| v.to_le_bytes()).collect(),
        ]
        .concat()
    }

    #[test]
    fn every_float_type_becomes_f32() {
        let tensors = read_weights(written(&safetensors_file()).path()).unwrap();
        assert_eq!(tensors.keys().collect::<Vec<_>>(), ["brain", "full", "half"]);
        assert_eq!(tensors["full"], TensorData::new(vec![1.5f32, -2.0], [2, 1]));
        assert_eq!(tensors["half"], TensorData::new(vec![1f32], [1]));
        assert_eq!(tensors["brain"], TensorData::new(vec![1f32], [1]));
    }

    #[test]
    fn a_pytorch_checkpoint_is_read_row_by_row() {
        let tensors = read_weights(written(&checkpoint()).path()).unwrap();
        assert_eq!(tensors["w"], TensorData::new(vec![1f32, 3.0, 2.0, 4.0], [2, 2]));
    }

    #[test]
    fn errors_name_the_file_and_the_fault() {
        assert!(message(b"hello, these are no weights").contains("neither a safetensors"));
        assert!(message(b"").contains("neither a safetensors"));
        assert!(message(&safetensors_file()[..20]).contains("truncated"));
        assert!(message(&checkpoint()[..210]).contains("truncated"));
        assert!(message(b"\x02\0\0\0\0\0\0\0{}").contains("no floating-point tensor"));
        assert!(matches!(read_weights("no/such/file").unwrap_err(), Error::Io { .. }));
        assert!(read_weights(std::env::temp_dir()).unwrap_err().to_string().contains("folder"));
    }

    #[test]
    fn no_damage_panics() {
        for whole in [safetensors_file(), checkpoint()] {
            for at in 0..whole.len() {
                assert!(read_weights(written(&whole[..at]).path()).is_err(), "cut at {at}");
                let mut damaged = whole.clone();
                damaged[at] ^= 0xFF;
                let _ = read_weights(written(&damaged).path());
            }
        }
    }

    #[test]
    fn a_sparse_tar_entry_is_refused() {
        let mut block = vec![0u8; 1024];
        block[TAR_MAGIC].copy_from_slice(b"ustar");
        block[TAR_KIND] = b'S';
        assert!(message(&block).contains("sparse"));
    }

    #[test]
    fn a_view_cannot_claim_more_than_the_file_holds() {
        // Strides of zero over a 255×255 view of one value: 260 kB out of a few hundred bytes.
        let (from, to) = (b"K\x02K\x02\x86K\x01K\x02\x86", b"K\xFFK\xFF\x86K\x00K\x00\x86");
        let mut bytes = checkpoint();
        let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
        bytes[at..at + to.len()].copy_from_slice(to);
        assert!(message(&bytes).contains("far more"));
    }
}

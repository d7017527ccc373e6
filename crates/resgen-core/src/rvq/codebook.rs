//! Codebooks, encoding and decoding.

use burn::tensor::{Device, Int, Tensor, TensorData};
use resgen_kernels::quantizer::quantize;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Whether all depths read one codebook or each its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sharing {
    /// One codebook per depth.
    Separate,
    /// One codebook for all depths (RQ-VAE's default).
    Shared,
}

/// D codebooks of V vectors in R^H; never trained by gradients.
#[derive(Clone, Debug)]
pub struct Codebooks {
    vectors: Tensor<3>, // [D, V, H]; [1, V, H] where shared
    depth: usize,
}

impl Codebooks {
    /// Codebooks of the given vectors.
    ///
    /// # Shapes
    /// `[D, V, H]`, or `[1, V, H]` for a codebook shared over `depth` depths
    ///
    /// # Errors
    /// [`Error::Mismatch`] for any other shape.
    pub fn new(vectors: Tensor<3>, depth: usize) -> Result<Self> {
        let [books, vocabulary, width] = vectors.dims();
        if depth == 0 || (books != depth && books != 1) || vocabulary == 0 || width == 0 {
            let expected = format!("[{depth} or 1, V, H]");
            return Err(Error::mismatch("codebook vectors", expected, format!("{:?}", vectors.dims())));
        }
        if vocabulary > usize::from(u16::MAX) {
            return Err(Error::mismatch("codebook size", "at most 65535", vocabulary));
        }
        Ok(Self { vectors, depth })
    }

    /// Codebooks of zeros, to be filled by k-means.
    pub fn zeros(
        depth: usize,
        sharing: Sharing,
        vocabulary: usize,
        width: usize,
        device: &Device,
    ) -> Result<Self> {
        let books = match sharing {
            Sharing::Separate => depth,
            Sharing::Shared => 1,
        };
        Self::new(Tensor::zeros([books, vocabulary, width], device), depth)
    }

    /// Quantizer depth D.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Number of distinct codebooks: D, or 1 where shared.
    pub fn books(&self) -> usize {
        self.vectors.dims()[0]
    }

    /// Codebook size V.
    pub fn vocabulary(&self) -> usize {
        self.vectors.dims()[1]
    }

    /// Width H of a code vector.
    pub fn width(&self) -> usize {
        self.vectors.dims()[2]
    }

    /// `[D or 1, V, H]`
    pub fn vectors(&self) -> Tensor<3> {
        self.vectors.clone()
    }

    /// The same codebooks on another device.
    pub fn to_device(&self, device: &Device) -> Self {
        Self { vectors: self.vectors.clone().to_device(device), depth: self.depth }
    }

    /// Which codebook depth `depth` reads.
    pub fn book_of(&self, depth: usize) -> usize {
        depth.min(self.books() - 1)
    }

    /// The vectors of one depth, `[V, H]`.
    pub fn at(&self, depth: usize) -> Tensor<2> {
        let book = self.book_of(depth);
        let [_, vocabulary, width] = self.vectors.dims();
        self.vectors.clone().slice([book..book + 1, 0..vocabulary, 0..width]).reshape([vocabulary, width])
    }

    /// Encodes every row depth by depth.
    ///
    /// # Shapes
    /// `[N, H]` → codes `[N, D]`
    pub fn encode(&self, latents: Tensor<2>) -> Tensor<2, Int> {
        self.encode_from(latents, None)
    }

    /// Encodes row n with the depths `first[n]`..D only: the quantization of a collective embedding.
    /// Codes above `first` (or all, where `first` is `None`) are 0.
    ///
    /// # Shapes
    /// latents `[N, H]`, `first` `[N, 1]` → codes `[N, D]`
    pub fn encode_from(&self, latents: Tensor<2>, first: Option<Tensor<2, Int>>) -> Tensor<2, Int> {
        let [rows, _] = latents.dims();
        let first = match first {
            Some(first) => first.squeeze_dim(1),
            None => Tensor::zeros([rows], &self.vectors.device()),
        };
        quantize(latents, self.vectors.clone(), first, self.depth)
    }

    /// The vectors of all codes, depth by depth.
    ///
    /// # Shapes
    /// codes `[N, D']` with D' ≤ D → `[N, D', H]`
    pub fn look_up(&self, codes: Tensor<2, Int>) -> Tensor<3> {
        let [rows, depth] = codes.dims();
        let [books, vocabulary, width] = self.vectors.dims();
        let offsets: Vec<i32> = (0..depth).map(|depth| (self.book_of(depth) * vocabulary) as i32).collect();
        let offsets = Tensor::<2, Int>::from_data(TensorData::new(offsets, [1, depth]), &codes.device());
        let flat = self.vectors.clone().reshape([books * vocabulary, width]);
        flat.select(0, (codes + offsets).flatten(0, 1)).reshape([rows, depth, width])
    }

    /// `Σ_j e(code_j; j)` over the depths given.
    ///
    /// # Shapes
    /// codes `[N, D']` with D' ≤ D → `[N, H]`
    pub fn decode(&self, codes: Tensor<2, Int>) -> Tensor<2> {
        self.look_up(codes).sum_dim(1).squeeze_dim(1)
    }

    /// The decoding of every row's visible codes alone.
    ///
    /// # Shapes
    /// codes `[N, D]`, `visible` `[N, 1]` (number of visible codes) → `[N, H]`
    pub fn visible_embedding(&self, codes: Tensor<2, Int>, visible: Tensor<2, Int>) -> Tensor<2> {
        seen(self.look_up(codes), visible)
    }

    /// Splits every row's decoding at a depth: what is visible, and the collective embedding of the rest.
    ///
    /// # Shapes
    /// codes `[N, D]`, `visible` `[N, 1]` (number of visible codes) → two of `[N, H]`
    pub fn split_embedding(&self, codes: Tensor<2, Int>, visible: Tensor<2, Int>) -> (Tensor<2>, Tensor<2>) {
        let vectors = self.look_up(codes); // [N, D, H]
        let seen = seen(vectors.clone(), visible);
        let whole: Tensor<2> = vectors.sum_dim(1).squeeze_dim(1);
        (seen.clone(), whole - seen)
    }
}

/// The sum over the visible depths.
///
/// # Shapes
/// vectors `[N, D, H]`, `visible` `[N, 1]` → `[N, H]`
fn seen(vectors: Tensor<3>, visible: Tensor<2, Int>) -> Tensor<2> {
    let [_, depth, _] = vectors.dims();
    let depths = Tensor::<1, Int>::arange(0..depth as i64, &visible.device()).unsqueeze_dim::<2>(0); // [1, D]
    let is_visible = depths.lower(visible).float().unsqueeze_dim::<3>(2); // [N, D, 1]
    (vectors * is_visible).sum_dim(1).squeeze_dim(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two depths in one dimension: coarse {0, 10}, fine {-1, +1}.
    fn books() -> Codebooks {
        let vectors = TensorData::new(vec![0f32, 10.0, -1.0, 1.0], [2, 2, 1]);
        Codebooks::new(Tensor::from_data(vectors, &Device::flex()), 2).unwrap()
    }

    fn rows(values: Vec<f32>) -> Tensor<2> {
        let count = values.len();
        Tensor::from_data(TensorData::new(values, [count, 1]), &Device::flex())
    }

    #[test]
    fn encodes_residuals_depth_by_depth() {
        let codes = books().encode(rows(vec![9.2, 0.4, 11.0]));
        assert_eq!(codes.clone().try_to_vec_as::<i32>().unwrap(), [1, 0, 0, 1, 1, 1]);
        assert_eq!(books().decode(codes).try_to_vec_as::<f32>().unwrap(), [9.0, 1.0, 11.0]);
    }

    #[test]
    fn a_collective_embedding_is_encoded_from_its_first_masked_depth() {
        let first = Tensor::<2, Int>::from_data(TensorData::new(vec![0, 1, 2], [3, 1]), &Device::flex());
        let codes = books().encode_from(rows(vec![9.2, 0.9, 5.0]), Some(first));
        assert_eq!(codes.try_to_vec_as::<i32>().unwrap(), [1, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn visible_and_masked_parts_add_up() {
        let codes =
            Tensor::<2, Int>::from_data(TensorData::new(vec![1, 0, 1, 0, 1, 0], [3, 2]), &Device::flex());
        let visible = Tensor::<2, Int>::from_data(TensorData::new(vec![0, 1, 2], [3, 1]), &Device::flex());
        let (seen, masked) = books().split_embedding(codes, visible);
        assert_eq!(seen.try_to_vec_as::<f32>().unwrap(), [0.0, 10.0, 9.0]);
        assert_eq!(masked.try_to_vec_as::<f32>().unwrap(), [9.0, -1.0, 0.0]);
    }

    #[test]
    fn a_shared_codebook_serves_every_depth() {
        let vectors = TensorData::new(vec![-4f32, 1.0], [1, 2, 1]);
        let books = Codebooks::new(Tensor::from_data(vectors, &Device::flex()), 3).unwrap();
        let codes = books.encode(rows(vec![3.0]));
        assert_eq!(codes.clone().try_to_vec_as::<i32>().unwrap(), [1, 1, 1]);
        assert_eq!(books.decode(codes).try_to_vec_as::<f32>().unwrap(), [3.0]);
    }
}

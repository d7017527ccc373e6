//! Codebooks, encoding and decoding.

use burn::tensor::{Device, Int, Tensor, TensorData};
use resgen_kernels::quantizer::{embed, quantize};
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
        let whole = self.whole(latents.dims()[0], self.depth);
        self.encode_span(latents, whole)
    }

    /// Encodes row n with the depths `span[n, 0]` to `span[n, 1]` − 1 only, as the collective embedding of the
    /// depths from the first on is encoded, or the beginning of that. The other codes are 0.
    ///
    /// # Shapes
    /// latents `[N, H]`, `span` `[N, 2]` → codes `[N, D]`
    pub fn encode_span(&self, latents: Tensor<2>, span: Tensor<2, Int>) -> Tensor<2, Int> {
        quantize(latents, self.vectors.clone(), span, self.depth)
    }

    /// `Σ_j e(code_j; j)` over the depths given.
    ///
    /// # Shapes
    /// codes `[N, D']` with D' ≤ D → `[N, H]`
    pub fn decode(&self, codes: Tensor<2, Int>) -> Tensor<2> {
        let [rows, depth] = codes.dims();
        embed(codes, self.vectors.clone(), self.whole(rows, depth))
    }

    /// The decoding of every row's visible codes alone.
    ///
    /// # Shapes
    /// codes `[N, D]`, `visible` `[N, 1]` (number of visible codes) → `[N, H]`
    pub fn visible_embedding(&self, codes: Tensor<2, Int>, visible: Tensor<2, Int>) -> Tensor<2> {
        let span = Tensor::cat(vec![visible.zeros_like(), visible], 1);
        embed(codes, self.vectors.clone(), span)
    }

    /// The collective embedding of the codes that are not visible.
    ///
    /// # Shapes
    /// codes `[N, D]`, `visible` `[N, 1]` (number of visible codes) → `[N, H]`
    pub fn masked_embedding(&self, codes: Tensor<2, Int>, visible: Tensor<2, Int>) -> Tensor<2> {
        let end = visible.full_like(self.depth as i64);
        embed(codes, self.vectors.clone(), Tensor::cat(vec![visible, end], 1))
    }

    /// Spans of all depths.
    ///
    /// # Shapes
    /// `[N, 2]`
    fn whole(&self, rows: usize, depth: usize) -> Tensor<2, Int> {
        let ends = [0, depth as i32].repeat(rows);
        Tensor::from_data(TensorData::new(ends, [rows, 2]), &self.vectors.device())
    }
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
        let span = TensorData::new(vec![0, 2, 1, 2, 2, 2, 0, 1], [4, 2]);
        let span = Tensor::<2, Int>::from_data(span, &Device::flex());
        let codes = books().encode_span(rows(vec![9.2, 0.9, 5.0, 9.2]), span);
        assert_eq!(codes.try_to_vec_as::<i32>().unwrap(), [1, 0, 0, 1, 0, 0, 1, 0]);
    }

    #[test]
    fn visible_and_masked_parts_add_up() {
        let codes =
            Tensor::<2, Int>::from_data(TensorData::new(vec![1, 0, 1, 0, 1, 0], [3, 2]), &Device::flex());
        let visible = Tensor::<2, Int>::from_data(TensorData::new(vec![0, 1, 2], [3, 1]), &Device::flex());
        let seen = books().visible_embedding(codes.clone(), visible.clone());
        let masked = books().masked_embedding(codes, visible);
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

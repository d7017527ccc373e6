//! A pass through the quantizer in training: codes, a straight-through gradient, and what the codebooks are to learn of it.

use burn::tensor::{Device, IndexingUpdateOp, Int, Tensor};

use super::Codebooks;
use super::config::Learning;

/// What one pass through the quantizer gives a training step.
pub struct Quantized {
    /// The decoding in the forward pass, the identity in the backward pass, `[N, H]`.
    pub latents: Tensor<2>,
    /// `[N, D]`
    pub codes: Tensor<2, Int>,
    /// Mean over depths m of the squared distance to the level-m approximation (held constant).
    pub commitment: Tensor<1>,
    /// What the codebooks learn from.
    pub statistics: CodebookStatistics,
}

/// How often each code was used, and the sum of what it is to learn.
#[derive(Clone, Debug)]
pub struct CodebookStatistics {
    pub(super) counts: Tensor<2>,    // [books, V]
    pub(super) sums: Tensor<3>,      // [books, V, H]
    pub(super) residuals: Tensor<3>, // [books, N', H], where unused codes may move to
}

impl CodebookStatistics {
    /// The statistics of two parts of a batch together.
    pub fn merged(self, other: Self) -> Self {
        Self {
            counts: self.counts + other.counts,
            sums: self.sums + other.sums,
            residuals: Tensor::cat(vec![self.residuals, other.residuals], 1),
        }
    }
}

/// Quantizes with a straight-through gradient.
///
/// `kept[n]` is the number of depths row n is decoded with (quantizer dropout); all of them where `None`.
///
/// # Shapes
/// latents `[N, H]`, `kept` `[N, 1]`
pub fn quantize(
    latents: Tensor<2>,
    books: &Codebooks,
    kept: Option<Tensor<2, Int>>,
    learning: Learning,
) -> Quantized {
    let plain = latents.clone().without_autodiff();
    let codes = books.encode(plain.clone()); // [N, D]
    let mut partial = plain.zeros_like(); // level-m approximation
    let mut decoded = partial.clone(); // level-kept approximation
    let mut commitment = Tensor::<1>::zeros([1], &latents.device());
    let mut tally = Tally::new(books, &plain.device());
    let mut steps = Vec::new();
    for depth in 0..books.depth() {
        let code = codes.clone().narrow(1, depth, 1).squeeze_dim::<1>(1); // [N]
        let chosen = books.at(depth).select(0, code.clone()); // [N, H]
        let residual = plain.clone() - partial.clone();
        partial = partial + chosen.clone();
        let heard = match &kept {
            Some(kept) => chosen * kept.clone().greater_scalar(depth as i64).float(),
            None => chosen,
        };
        decoded = decoded + heard.clone();
        commitment = commitment + (latents.clone() - partial.clone()).square().mean();
        match learning {
            Learning::Plain => tally.add(books.book_of(depth), code, residual.clone(), residual),
            Learning::Probabilistic => steps.push(Step { code, heard, residual }),
        }
    }
    let missed = plain.clone() - decoded.clone();
    for (depth, step) in steps.into_iter().enumerate() {
        let lesson = step.left_by_others(missed.clone(), kept.as_ref(), depth);
        tally.add(books.book_of(depth), step.code, lesson, step.residual);
    }
    Quantized {
        latents: latents + (decoded - plain),
        codes,
        commitment: commitment.div_scalar(books.depth() as f64),
        statistics: tally.finish(),
    }
}

/// What a depth made of all rows.
struct Step {
    code: Tensor<1, Int>, // [N]
    heard: Tensor<2>,     // [N, H]: its vector where the row is decoded with this depth, else 0
    residual: Tensor<2>,  // [N, H]: what the depths before leave
}

impl Step {
    /// What all other decoded depths leave of a row, where this one is decoded, too; else what the depths before leave.
    ///
    /// # Shapes
    /// missed `[N, H]`: what all decoded depths leave; kept `[N, 1]` → `[N, H]`
    fn left_by_others(&self, missed: Tensor<2>, kept: Option<&Tensor<2, Int>>, depth: usize) -> Tensor<2> {
        let left = missed + self.heard.clone();
        match kept {
            Some(kept) => {
                let is_decoded = kept.clone().greater_scalar(depth as i64).expand(left.dims());
                self.residual.clone().mask_where(is_decoded, left)
            }
            None => left,
        }
    }
}

/// Collects [`CodebookStatistics`] depth by depth.
struct Tally {
    counts: Vec<Tensor<1>>,
    sums: Vec<Tensor<2>>,
    residuals: Vec<Vec<Tensor<2>>>,
}

impl Tally {
    fn new(books: &Codebooks, device: &Device) -> Self {
        let (vocabulary, width) = (books.vocabulary(), books.width());
        Self {
            counts: vec![Tensor::zeros([vocabulary], device); books.books()],
            sums: vec![Tensor::zeros([vocabulary, width], device); books.books()],
            residuals: vec![Vec::new(); books.books()],
        }
    }

    /// # Shapes
    /// code `[N]`; lesson, what its vector learns, and residual `[N, H]`
    fn add(&mut self, book: usize, code: Tensor<1, Int>, lesson: Tensor<2>, residual: Tensor<2>) {
        let ones = Tensor::<1>::ones([code.dims()[0]], &code.device());
        let add = IndexingUpdateOp::Add;
        self.counts[book] = self.counts[book].clone().select_assign(0, code.clone(), ones, add);
        self.sums[book] = self.sums[book].clone().select_assign(0, code, lesson, add);
        self.residuals[book].push(residual);
    }

    fn finish(self) -> CodebookStatistics {
        let residuals = self.residuals.into_iter().map(|rows| Tensor::cat(rows, 0)).collect();
        CodebookStatistics {
            counts: Tensor::stack(self.counts, 0),
            sums: Tensor::stack(self.sums, 0),
            residuals: Tensor::stack(residuals, 0),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use burn::tensor::TensorData;

    use super::*;

    pub fn column(values: &[f32]) -> Tensor<2> {
        Tensor::from_data(TensorData::new(values.to_vec(), [values.len(), 1]), &Device::flex())
    }

    pub fn books() -> Codebooks {
        let vectors = TensorData::new(vec![0f32, 10.0, -1.0, 1.0], [2, 2, 1]);
        Codebooks::new(Tensor::from_data(vectors, &Device::flex()), 2).unwrap()
    }

    #[test]
    fn the_gradient_passes_straight_through() {
        let latents = column(&[9.2, 0.4]).autodiff().require_grad();
        let quantized = quantize(latents.clone(), &books(), None, Learning::Plain);
        let values: Vec<f32> = quantized.latents.clone().try_to_vec_as().unwrap();
        assert!((values[0] - 9.0).abs() < 1e-6 && (values[1] - 1.0).abs() < 1e-6, "{values:?}");
        // d/dx of Σ q² is 2·q(x) where q passes straight through.
        let gradients = quantized.latents.square().sum().backward();
        let gradient: Vec<f32> = latents.grad(&gradients).unwrap().try_to_vec_as().unwrap();
        assert!((gradient[0] - 18.0).abs() < 1e-5 && (gradient[1] - 2.0).abs() < 1e-5, "{gradient:?}");
    }

    #[test]
    fn commitment_pulls_towards_every_partial_sum() {
        // Row 9.2: partial sums 10 and 9, squared distances 0.64 and 0.04, mean 0.34; slope
        // d/dx = ((9.2−10) + (9.2−9))·2/2 = −0.6.
        let latents = column(&[9.2]).autodiff().require_grad();
        let quantized = quantize(latents.clone(), &books(), None, Learning::Plain);
        let loss: f32 = quantized.commitment.clone().into_scalar();
        assert!((loss - 0.34).abs() < 1e-5, "{loss}");
        let gradient: f32 = latents.grad(&quantized.commitment.backward()).unwrap().into_scalar();
        assert!((gradient + 0.6).abs() < 1e-5, "{gradient}");
    }

    #[test]
    fn dropout_decodes_the_kept_depths_only() {
        let kept = Tensor::<2, Int>::from_data(TensorData::new(vec![1, 2], [2, 1]), &Device::flex());
        let quantized = quantize(column(&[9.2, 9.2]), &books(), Some(kept), Learning::Plain);
        let values: Vec<f32> = quantized.latents.try_to_vec_as().unwrap();
        assert!((values[0] - 10.0).abs() < 1e-6 && (values[1] - 9.0).abs() < 1e-6, "{values:?}");
    }
}

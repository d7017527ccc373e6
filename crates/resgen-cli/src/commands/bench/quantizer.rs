//! Residual quantization of random vectors.

use burn::tensor::{Device, Tensor, TensorData};
use resgen_core::Error;
use resgen_core::random::{Purpose, fill_normal, stream};
use resgen_core::rvq::Codebooks;

use super::Case;

/// Arguments of `bench rvq-encode`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Vectors.
    #[arg(long, default_value = "1000000", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    vectors: u32,
    /// Codebook size V.
    #[arg(long, default_value = "1024", value_name = "V", value_parser = clap::value_parser!(u32).range(2..=65_535))]
    vocabulary: u32,
    /// Width H of a vector.
    #[arg(long, default_value = "64", value_name = "H", value_parser = clap::value_parser!(u32).range(1..=4096))]
    latent: u32,
    /// Quantizer depth D.
    #[arg(long, default_value = "8", value_name = "D", value_parser = clap::value_parser!(u32).range(1..=256))]
    depth: u32,
}

pub struct Encoding {
    books: Codebooks,
    vectors: Tensor<2>,
}

impl Encoding {
    pub fn new(arguments: &Arguments, device: &Device) -> anyhow::Result<Self> {
        let [vectors, vocabulary, latent, depth] =
            [arguments.vectors, arguments.vocabulary, arguments.latent, arguments.depth]
                .map(|value| value as usize);
        let books = Codebooks::new(normal([depth, vocabulary, latent], 0, device), depth)?;
        Ok(Self { books, vectors: normal([vectors, latent], 1, device) })
    }
}

impl Case for Encoding {
    fn run(&mut self) -> anyhow::Result<()> {
        let codes = self.books.encode(self.vectors.clone());
        codes.try_into_data().map_err(Error::device)?;
        Ok(())
    }
}

/// Standard normal values.
pub fn normal<const R: usize>(shape: [usize; R], index: u64, device: &Device) -> Tensor<R> {
    let mut values = vec![0.0; shape.iter().product()];
    fill_normal(&mut values, &mut stream(0, Purpose::Synthetic, index, 1));
    Tensor::from_data(TensorData::new(values, shape), device)
}

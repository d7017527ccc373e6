//! Pictures of one rectangle each: few colours, edges on a grid of four pixels.

use resgen_core::error::Result;
use resgen_core::random::{Purpose, index_below, stream};
use resgen_core::train::learner::BatchSource;
use resgen_core::train::tokenizer::SignalBatch;

pub const SIDE: usize = 16;
const CELL: usize = 4;
const COLOURS: [[f32; 3]; 4] = [[0.8, -0.8, -0.8], [-0.8, 0.6, -0.6], [-0.7, -0.5, 0.9], [0.7, 0.7, 0.6]];

/// Micro-batches of rectangles, another batch at each step.
#[derive(Clone)]
pub struct Rectangles {
    pub batch: usize,
    pub micro_batches: usize,
    /// A step whose last picture is not a number.
    pub broken: Option<u64>,
}

impl BatchSource for Rectangles {
    type Batch = SignalBatch;

    fn batches(&mut self, step: u64) -> Result<Vec<SignalBatch>> {
        let size = self.batch / self.micro_batches;
        let part = |part: usize| {
            let first = part * size;
            let mut pixels: Vec<f32> =
                (first..first + size).flat_map(|index| picture(index as u64, step)).collect();
            if self.broken == Some(step) && part + 1 == self.micro_batches {
                pixels.iter_mut().rev().take(3 * SIDE * SIDE).for_each(|value| *value = f32::NAN);
            }
            SignalBatch { values: pixels, classes: Vec::new(), first }
        };
        Ok((0..self.micro_batches).map(part).collect())
    }
}

/// `[3, S, S]` in [−1, 1]
pub fn picture(index: u64, step: u64) -> Vec<f32> {
    let mut rng = stream(1, Purpose::Synthetic, index, step);
    let back = index_below(&mut rng, COLOURS.len());
    let front = (back + 1 + index_below(&mut rng, COLOURS.len() - 1)) % COLOURS.len();
    let cells = SIDE / CELL;
    let mut edges = || {
        let start = index_below(&mut rng, cells);
        let length = 1 + index_below(&mut rng, cells - start);
        CELL * start..CELL * (start + length)
    };
    let (rows, columns) = (edges(), edges());
    let place = |at: usize| (at / (SIDE * SIDE), at / SIDE % SIDE, at % SIDE);
    (0..3 * SIDE * SIDE)
        .map(place)
        .map(|(colour, row, column)| {
            let inside = rows.contains(&row) && columns.contains(&column);
            COLOURS[if inside { front } else { back }][colour]
        })
        .collect()
}

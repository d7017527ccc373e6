//! Training: one loop, its optimizer, its checkpoints and its logs.

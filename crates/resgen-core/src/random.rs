//! Randomness by key: one independent stream per (seed, purpose, index, step).

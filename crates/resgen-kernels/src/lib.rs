//! Fused operations of ResGen models: one reference body each, and a fast body per backend.

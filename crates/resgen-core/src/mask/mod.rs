//! The masking process: counts per position, marginals and posteriors.

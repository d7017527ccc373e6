//! Residual vector quantization: codes, codebooks, and how codebooks learn.

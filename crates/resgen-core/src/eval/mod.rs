//! How good a tokenizer or a model is.

"""Small tensors that the Rust tests check."""

"""A PyTorch twin of ResGen: an independent implementation, and an opponent in speed."""

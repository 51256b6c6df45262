"""What samples of each medium are scored by, beside distances of features."""

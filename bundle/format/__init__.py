"""What one version of a model is on disk, and how it is verified without running it."""

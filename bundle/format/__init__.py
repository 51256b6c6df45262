"""The files of one version of a model, and their verification without running the model."""

"""The contract between training and service: what a trained model is on disk, and its versions."""

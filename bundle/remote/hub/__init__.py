"""Versions in a model repository of the Hugging Face Hub, read and written with its own client."""

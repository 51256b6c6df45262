"""The on-disk format of trained models, and the store of their versions."""

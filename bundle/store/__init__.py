"""Versions of models in one folder: publish, release, prune, and the locks for it."""

"""Scores, each a function of images or features."""

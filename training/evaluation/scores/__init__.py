"""Scores as functions of images or features."""

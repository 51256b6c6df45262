"""Converts arrays to bytes and back: image files, archives, animations, tiles. Pure functions."""

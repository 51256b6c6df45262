"""Scores of exported graphs, relative to real data."""

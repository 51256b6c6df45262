"""A validated request to the arrays that a model takes, one file for each task. Pure functions."""

"""Converts validated requests to the arrays of a model. One file per task; pure functions."""

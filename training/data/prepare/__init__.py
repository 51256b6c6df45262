"""Conversion of published collections to training data."""

"""Metrics and logs; knows no HTTP framework and no model."""

"""How good a graph is, beside real data."""

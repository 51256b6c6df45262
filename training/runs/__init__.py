"""One training run: its state, steps, checkpoints, statistics and monitors."""

"""What the workers of one service share: counters, locks and tables in anonymous memory."""

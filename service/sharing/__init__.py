"""What the workers of a service share: counters, locks and tables in anonymous memory."""

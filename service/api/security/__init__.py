"""Who may ask: keys, and headers that protect browsers."""

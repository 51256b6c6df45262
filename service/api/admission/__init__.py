"""Which requests are taken up, in which order, and by when they must be answered."""

"""Bodies of requests, and representations of answers."""

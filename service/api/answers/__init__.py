"""What clients get of what a model has made, by the meaning of its output."""

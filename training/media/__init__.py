"""What samples are: one object for each meaning of a generator's output."""

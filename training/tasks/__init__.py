"""One file per task: what is trained, on which batches, and which samples and statistics it has."""

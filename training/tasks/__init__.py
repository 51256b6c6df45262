"""One file for each task: what is trained, on which batches, shown and scored how."""

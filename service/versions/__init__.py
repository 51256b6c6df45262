"""Which version answers: loading, golden check, releases, canaries, ensembles, eviction."""

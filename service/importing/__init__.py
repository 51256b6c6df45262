"""Makes bundles of generators that were trained elsewhere."""

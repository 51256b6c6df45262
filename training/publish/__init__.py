"""From a run to a published bundle: export, gate, model card."""

"""From a run of task `upscale` to a published bundle."""

"""A dynamic batcher over arrays: queue, admission and executors; knows neither images nor HTTP."""

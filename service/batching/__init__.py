"""A dynamic batcher over arrays: queue, admission, executors. Independent of images and HTTP."""

"""Trains a GAN on images, exports it and serves what it makes over HTTP."""

"""Makes images in the calling process, without a server."""

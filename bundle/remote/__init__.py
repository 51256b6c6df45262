"""Bundles in object storage: objects under a URL, and versions of models made of them."""

"""Data sets of any size: shards that many processes draw, into a folder or object storage."""

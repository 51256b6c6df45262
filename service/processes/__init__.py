"""The HTTP server, its workers and their supervisor."""

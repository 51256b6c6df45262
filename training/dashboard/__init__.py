"""A local web page that follows a run."""

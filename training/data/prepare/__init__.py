"""Commands that turn published collections into training sets."""

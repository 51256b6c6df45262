"""The commands of `python -m training`: arguments in, lines for people out."""

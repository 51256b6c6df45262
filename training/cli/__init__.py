"""The commands of `python -m training`: argument parsing and text output."""

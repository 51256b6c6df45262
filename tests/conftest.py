"""Fuzzing without chance: the same examples in every run, and no clock for a busy machine."""

from hypothesis import settings

settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")

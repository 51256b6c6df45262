"""Losses, penalties, augmentation, schedules, averages and optimizers as pure functions."""

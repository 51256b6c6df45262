"""What a training step is made of, as pure functions: losses, augmentation, schedules."""

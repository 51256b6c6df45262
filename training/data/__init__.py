"""Pictures for networks that take pictures: crops, low-resolution twins, and icons."""

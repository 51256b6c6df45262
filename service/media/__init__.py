"""Arrays to bytes and back: encoding of images, decoding of pictures, tiles. Pure functions."""

"""Images from anywhere, decoded once into one uint8 data set; knows nothing of networks."""

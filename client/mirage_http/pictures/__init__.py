"""Enlarges folders of pictures, with a server or in this process."""

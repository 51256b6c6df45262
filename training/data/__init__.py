"""Reads images from files, arrays and the Hugging Face Hub, and decodes them once into uint8."""

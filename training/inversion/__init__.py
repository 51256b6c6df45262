"""The way back from images to latents: encoders, and directions fitted to examples."""

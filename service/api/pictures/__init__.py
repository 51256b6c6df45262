"""`POST /upscale`, and the models that enlarge pictures for other routes."""

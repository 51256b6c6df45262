"""Requests with pictures: what their bodies hold, and how they are enlarged and answered."""

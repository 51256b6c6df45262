"""Admission of requests: order, deadlines, rate limits and memory."""

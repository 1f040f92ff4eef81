"""Timings: read them, never assert them."""

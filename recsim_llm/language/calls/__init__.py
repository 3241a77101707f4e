"""Calls on their way: keys, limits, retries, and the file that records them."""

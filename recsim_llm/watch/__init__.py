"""Runs watched while they go on: played step by step, looked into, and changed by hand; a page in the browser shows them."""

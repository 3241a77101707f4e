"""Comparing arms: paired outcomes, intervals, verdicts."""

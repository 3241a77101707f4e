"""Observations of an environment, made from a recommender's requests: the same to the last bit."""

from __future__ import annotations

__all__ = ["RequestObserver"]

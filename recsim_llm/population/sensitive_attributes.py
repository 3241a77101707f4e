"""What of a person may not decide what they are shown: the attributes by which fairness to users is measured."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["SENSITIVE_ATTRIBUTES"]

SENSITIVE_ATTRIBUTES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "age": ("young", "middle aged", "old"),
        "continent": ("African", "American", "Asian"),
        "country": ("American", "Brazilian", "British", "Chinese", "French", "German", "Japanese"),
        "gender": ("boy", "female", "girl", "male"),
        "occupation": ("doctor", "student", "teacher", "worker", "writer"),
        "physique": ("fat", "thin"),
        "race": ("African American", "Asian", "Black", "white"),
        "religion": ("Buddhist", "Christian", "Muslim"),
    }
)
"""The eight attributes of FaiRLLM (Zhang et al. 2023, RecSys) with its values, field to values; two values of ``race`` and one
of ``religion`` are in the words that people use of themselves. ``country`` stands for the region that somebody is from."""

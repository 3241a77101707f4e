"""The run log: every impression, page and visit as Parquet, written in checksummed segments.

A run folder holds::

    manifest.json               the resolved settings, versions, seed and data fingerprints
    segments.jsonl              one line a finished segment: arm, number, rows, SHA-256 of its files
    impressions/*.parquet       one row a slot shown
    pages/*.parquet             one row a page
    visits/*.parquet            one row a visit
    timings.parquet             clock times, apart from the log so that the log compares byte for byte

A segment's files are written under a temporary name, flushed to disk and renamed; its line in ``segments.jsonl`` comes last.
A line without its line break is a torn write and does not count. Replaying a run meets its own segments again: bytes
that agree are kept, so a killed run ends like one that was never killed; bytes that differ raise ``LogError``.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from recsim_llm.errors import LogError
from recsim_llm.files import write_atomically
from recsim_llm.pages import Feedback, FloatArray, IntArray, Slates, probability

__all__ = ["IMPRESSIONS", "LIKE_THRESHOLD", "PAGES", "VISITS", "RunLog", "Segments"]

LIKE_THRESHOLD = 4.0
"""Stars from which a rating counts as a like."""

_ARM = pa.dictionary(pa.int8(), pa.string())
IMPRESSIONS = pa.schema(
    [
        ("arm", _ARM),
        ("user_id", pa.int64()),
        ("visit", pa.int32()),
        ("page", pa.int32()),
        ("position", pa.int16()),
        ("item_id", pa.int64()),
        ("propensity", pa.float32()),
        ("prefix_propensity", pa.float32()),
        ("examine_prob", pa.float32()),
        ("click_prob", pa.float32()),
        ("examined", pa.bool_()),
        ("clicked", pa.bool_()),
        ("watched", pa.float32()),
        ("rating", pa.float32()),
        ("liked", pa.bool_()),
        ("text", pa.string()),
    ]
)
"""One row a slot. ``click_prob`` is the probability of a click before anything is drawn (examination included); propensities are
null where unknown; ``item_id`` is -1 for a blanked slot; ``watched``, ``rating`` and ``liked`` are null where not clicked."""
PAGES = pa.schema(
    [
        ("arm", _ARM),
        ("user_id", pa.int64()),
        ("visit", pa.int32()),
        ("page", pa.int32()),
        ("slate_propensity", pa.float32()),
        ("clicks", pa.int16()),
        ("invalid_slots", pa.int16()),
        ("reward", pa.float64()),
        ("satisfaction", pa.float32()),
        ("leave_prob", pa.float32()),
        ("next_action", pa.dictionary(pa.int8(), pa.string())),
        ("stop_reason", pa.dictionary(pa.int8(), pa.string())),
    ]
)
"""One row a page. ``satisfaction`` is 0 to 1; ``next_action`` is ``next`` or ``leave``; ``stop_reason`` is null within a visit,
``left`` when the user ended it, ``max_pages`` when the page budget did."""
VISITS = pa.schema(
    [
        ("arm", _ARM),
        ("user_id", pa.int64()),
        ("visit", pa.int32()),
        ("pages", pa.int32()),
        ("clicks", pa.int32()),
        ("reward", pa.float64()),
        ("satisfaction", pa.float32()),
        ("stop_reason", pa.dictionary(pa.int8(), pa.string())),
        ("return_prob", pa.float32()),
        ("returned", pa.bool_()),
    ]
)
"""One row a finished visit. ``satisfaction`` is that after the last page; ``return_prob`` and ``returned`` tell about the next."""

"""Observations of an environment, made from a recommender's requests: the same to the last bit."""

from __future__ import annotations

import numpy as np

from recsim_llm.core.arrays import BoolArray, FloatArray, IntArray
from recsim_llm.core.catalog import Catalog
from recsim_llm.core.feedback import Feedback
from recsim_llm.core.kernel import ALL_ROWS
from recsim_llm.core.pages import Pages, Requests
from recsim_llm.envs.observations import Observation, Observer

__all__ = ["RequestObserver"]

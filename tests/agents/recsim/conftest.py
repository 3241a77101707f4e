"""RecSim's worlds, and kernels in which users browse there, as fixtures."""

from __future__ import annotations

import pytest
from recsim_kernels import begin_visits, build_world


@pytest.fixture
def make_world():
    """Return a function that builds a world by its name."""
    return build_world


@pytest.fixture
def browse():
    """Return a function that has the first users of a world begin a visit each."""
    return begin_visits

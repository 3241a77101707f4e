"""What a run's manifest says of the families of its users."""

from __future__ import annotations

import pytest

from recsim_llm.population.taste_families import families_of_run

TOLD = {"parameter_sources": {"families": {"value": ["factors", "content"], "source": "set"}}}


@pytest.mark.parametrize(
    ("provenance", "families"),
    [
        (TOLD, ("factors", "content")),
        ({"choice": TOLD, "language": {}}, ("factors", "content")),
        ({"parameter_sources": {"families": {"value": [], "source": "assumed"}}}, ()),
        ({"parameter_sources": {}}, ()),
        ({"template": "en"}, ()),
        (None, ()),
    ],
)
def test_families_are_read_from_what_a_run_says_of_its_users(provenance, families):
    assert families_of_run({"user_model_provenance": provenance}) == families

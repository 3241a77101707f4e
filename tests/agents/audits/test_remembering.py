"""The audit of remembering: what memory keeps, and whether a model heeds it."""

from __future__ import annotations

import re
from collections import defaultdict

import pytest
from planted_scripts import shifted, slot_of
from scripted_users import FakeModel

from recsim_llm.agents.audits import remembering
from recsim_llm.agents.audits.audit_rows import finding_rows
from recsim_llm.data import fictional
from recsim_llm.errors import ConfigError
from recsim_llm.language.backends.scripts import uniform

SAID = re.compile(r"never take anything of the genre ([^.\n]+)\.")


@pytest.fixture(scope="module")
def dataset():
    return fictional.load(n_users=40)


def heeding(text, question):
    """Decide alike about everything, but leave alone what the user said that it never takes."""
    weights = uniform(text, question)
    said = SAID.search(text)
    if not said or not question.key.startswith("click"):
        return weights
    line = next(line for line in text.split("\n") if line.startswith(f"{slot_of(question)}. "))
    return shifted(weights, -2.0 if said[1] in line.split(" | ")[1].split(", ") else 0.0)


@pytest.fixture(scope="module")
def found(dataset):
    return remembering(FakeModel(heeding), dataset, seed=3, users=12)


def test_a_stream_has_it_fifty_pages_later_and_a_window_has_not(found):
    assert {one.kind: one.needed.value for one in found.kinds} == {"stream": 1.0, "window": 0.0, "none": 0.0}


def test_a_window_is_fresh_but_holds_what_is_outdated(found):
    by_kind = {one.kind: one for one in found.kinds}
    assert by_kind["window"].age.value < 5 < by_kind["stream"].age.value
    assert by_kind["stream"].outdated.value == 0
    assert by_kind["none"].age.value is None


def test_over_a_few_pages_a_window_keeps_it_too(dataset):
    short = remembering(FakeModel(), dataset, seed=3, users=6, turns=1)
    assert [one.needed.value for one in short.kinds] == [1.0, 1.0, 0.0]
    assert [one.outdated.value for one in short.kinds] == [0.0, 0.0, 0.0]


def test_a_model_that_heeds_it_leaves_alone_what_it_is_about(found):
    assert found.heeded.value > 0.1
    assert found.others.value == pytest.approx(0, abs=1e-12)


def test_a_model_that_does_not_is_found_out(dataset):
    deaf = remembering(FakeModel(), dataset, seed=3, users=6)
    assert deaf.heeded.value == pytest.approx(0, abs=1e-12)
    rows = {row.label: row.words for row in finding_rows(deaf) if row.leading}
    assert rows["less likely to take what they were told that they never take"].startswith("not shown")


def test_only_the_own_statement_is_in_a_users_prompts(dataset):
    model = FakeModel()
    remembering(model, dataset, seed=3, users=12)
    said = defaultdict(set)
    for ask, text in zip(model.asks, model.texts, strict=True):
        said[ask.subject] |= set(SAID.findall(text))
    assert {len(genres) for genres in said.values()} == {1}
    assert len({genre for genres in said.values() for genre in genres}) > 1


def test_a_life_without_pages_is_refused(dataset):
    with pytest.raises(ConfigError, match="turns: got 0"):
        remembering(FakeModel(), dataset, seed=3, turns=0)

"""The shipped scenario on word of mouth: what it expects holds where friends move each other, and fails where they do not."""

from __future__ import annotations

import json

import pytest

from recsim_llm.cli.main import main


def findings(folder, *settings):
    assert main(["run", "word-of-mouth", "--seed", "12", "--out", str(folder), "--quiet", *settings]) == 0
    measured = json.loads((folder / "metrics.json").read_text())["measured"]
    return {finding["name"]: (finding["answer"], finding["may_judge"]) for finding in measured["findings"]}


@pytest.mark.slow
def test_clicks_travel_from_friend_to_friend(tmp_path):
    assert findings(tmp_path / "run") == {"travels": ("holds", True)}


@pytest.mark.slow
def test_where_telling_moves_nobody_the_finding_does_not_hold(tmp_path):
    found = findings(tmp_path / "run", "--set", "social.strength=0.02")
    assert found == {"travels": ("does not hold", True)}

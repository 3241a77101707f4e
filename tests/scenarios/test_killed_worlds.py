"""A world in which everything is on is killed at many instants; whoever goes on with it ends with the bytes of one unharmed."""

import json
import os
import subprocess
import sys
from collections import Counter

import killed_worlds
import pyarrow.dataset as arrow
import pytest

INSTANTS = 20
HAPPENS = {
    *("begins", "ends", "friend_click", "chat", "provider_exposure", "provider_leaves"),
    *("search", "dislike", "less_like_this", "save", "share", "purchase", "back"),
}


@pytest.fixture(scope="module")
def kills(tmp_path_factory):
    """Return the folder of the run that nobody killed, and what came of the others."""
    folder = tmp_path_factory.mktemp("kills")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # children are forked
    command = [sys.executable, killed_worlds.__file__, str(folder), str(INSTANTS)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "whole", [json.loads(line) for line in (folder / "kills.jsonl").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_a_world_with_everything_on_is_killed_at_twenty_instants_and_ends_with_the_same_bytes(kills):
    _, found = kills
    assert len({(kill["before"], kill["number"]) for kill in found}) == INSTANTS
    assert [kill["status"] for kill in found] == [-9] * INSTANTS
    assert [kill for kill in found if kill["resumed"] or kill["differs"]] == []
    assert min(kill["kept"] for kill in found) == 0
    assert len({kill["kept"] for kill in found}) >= 5


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_everything_is_on_in_the_world_that_is_killed(kills):
    whole, _ = kills
    settings = json.loads((whole / "manifest.json").read_text())["settings"]
    assert {"clock", "intents", "interventions", "social", "providers", "actions", "measure"} <= settings.keys()
    events = Counter(arrow.dataset(whole / "events").to_table(columns=["event"]).column("event").to_pylist())
    assert events.keys() >= HAPPENS

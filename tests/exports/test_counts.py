"""Counts of who clicked what: exact ones, and those from which nobody's part can be told."""

import csv
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from export_runs import make_run

from recsim_llm.cli.main import main
from recsim_llm.exports import Privacy, count_users, geometric_noise


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("counts") / "run")


def table(folder, arm):
    with (folder / arm / "counts.csv").open(encoding="utf-8", newline="") as stream:
        return {int(row["item_id"]): int(row["users"]) for row in csv.DictReader(stream)}


def clicked(run, arm):
    """Return who clicked what, by the log."""
    rows = pq.read_table(run / "impressions").to_pylist()
    return {(row["user_id"], row["item_id"]) for row in rows if row["arm"] == arm and row["clicked"]}


def seeded(seed):
    return np.random.default_rng(seed).bytes


def test_exact_counts_are_users_not_clicks_and_name_every_item(run, tmp_path):
    assert main(["export", str(run), "counts", str(tmp_path / "out"), "--quiet"]) == 0
    for arm in ("random", "popularity"):
        pairs, counts = clicked(run, arm), table(tmp_path / "out", arm)
        assert len(counts) == 1500
        assert sum(counts.values()) == len(pairs) > 2
        assert all(counts[item] == sum(other == item for _, other in pairs) for _, item in pairs)
    assert "privacy" not in json.loads((tmp_path / "out" / "export.json").read_text())


def test_private_counts_say_what_they_may_tell_and_differ_each_time(run, tmp_path):
    private = ["--epsilon", "2", "--most-items", "3", "--quiet"]
    tables = []
    for out in (tmp_path / "one", tmp_path / "two"):
        assert main(["export", str(run), "counts", str(out), *private]) == 0
        content = json.loads((out / "export.json").read_text())
        # Two arms of the same users share what is allowed.
        assert content["privacy"] == {"epsilon": 2.0, "most_items": 3, "scale": 3.0}
        assert content["arms"]["random"] == {"folder": "random", "items": 1500}
        tables.append(np.array(list(table(out, "random").values())))
    assert (tables[0] != tables[1]).mean() > 0.5
    # Noise of scale 3 has a standard deviation of 4.2, on items that hardly anybody clicked.
    assert 3.5 < tables[0].std() < 5.0


def test_a_user_changes_the_counts_by_no_more_than_is_allowed():
    random = np.random.default_rng(1)
    user, item = random.integers(0, 30, 900), random.integers(0, 50, 900)
    whole = count_users(user, item, 50)
    clipped = count_users(user, item, 50, most_items=4, random=seeded(1))
    without = count_users(user[user != 7], item[user != 7], 50, most_items=4, random=seeded(1))
    assert whole.sum() > clipped.sum() == 30 * 4
    assert without.sum() == 29 * 4
    assert (clipped <= whole).all()
    # Which items count is drawn: all that a user took can.
    drawn = sum(count_users(user[user == 7], item[user == 7], 50, most_items=4, random=seeded(seed)) for seed in range(40))
    assert ((drawn > 0) == (count_users(user[user == 7], item[user == 7], 50) > 0)).all()


def test_noise_has_the_probabilities_that_keep_the_promise():
    """With one user's count more or less no outcome is more than exp(epsilon) times as probable."""
    scale, size = 2.0, 200_000
    noise = geometric_noise(size, scale, random=seeded(3))
    ratio = np.exp(-1 / scale)
    values = np.arange(-6, 7)
    expected = (1 - ratio) / (1 + ratio) * ratio ** np.abs(values)
    share = np.array([(noise == value).mean() for value in values])
    assert np.abs(share - expected).max() < 5 * np.sqrt(0.25 / size)
    assert abs(noise.mean()) < 5 * noise.std() / np.sqrt(size)
    assert expected[:-1] / expected[1:] == pytest.approx(np.exp(np.sign(values[:-1] + 0.5) / scale))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["counts", "--epsilon", "0"], "epsilon: got 0.0, expected a number above 0"),
        (["counts", "--epsilon", "1", "--most-items", "0"], "most items: got 0, expected a whole number, 1 or more"),
        (["counts", "--most-items", "3"], "got it without --epsilon"),
        (["recbole", "--epsilon", "1"], "tells of users one by one, expected it for counts alone"),
    ],
)
def test_what_cannot_be_private_is_refused(options, words, run, tmp_path, capsys):
    form, *more = options
    assert main(["export", str(run), form, str(tmp_path / "out"), *more]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert Privacy(epsilon=1).scale(1) == 10

"""Single visits: which are drawn, and their rows."""

from collections import Counter

import pytest
import written_runs as logs

from recsim_llm.log import open_run
from recsim_llm.log.visit_rows import VisitKey, draw_visits, read_visits


def visits_of(clicks, arm="a"):
    """One page a user with that many clicks, and as many pages more without any as the user's number."""
    first = [(arm, user, 0, 0, [(1, 4.0 if n > 0 else None), (2, 2.0 if n > 1 else None)]) for user, n in enumerate(clicks)]
    more = [(arm, user, 0, page, [(3, None), (-1, None)]) for user in range(len(clicks)) for page in range(1, user % 3 + 1)]
    return first + more


@pytest.fixture
def run(tmp_path):
    return logs.write_run(tmp_path, visits_of([0, 1, 1, 1, 2, 2, 0]), arms=["a"], max_pages=4)


def test_the_typical_visit_has_the_median_number_of_clicks_and_the_longest_the_most_pages(run):
    typical, longest = draw_visits(open_run(run), "a", 3)
    assert (typical.value, typical.among, longest.value, longest.among) == (1, 3, 3, 2)
    assert typical.key.user_id in (1, 2, 3)
    assert longest.key.user_id in (2, 5)


def test_the_draw_depends_on_the_seed_and_on_nothing_of_how_the_log_is_read(run, tmp_path, monkeypatch):
    keys = [draw_visits(open_run(run), "a", seed)[0].key for seed in range(30)]
    assert set(Counter(keys)) == {VisitKey("a", user, 0) for user in (1, 2, 3)}
    cut = logs.write_run(tmp_path / "cut", visits_of([0, 1, 1, 1, 2, 2, 0]), arms=["a"], max_pages=4, per_file=2)
    monkeypatch.setattr("recsim_llm.log.reader.BATCH_ROWS", 1)
    assert [draw_visits(open_run(cut), "a", seed)[0].key for seed in range(30)] == keys


def test_only_the_visits_named_are_drawn(run):
    among = {VisitKey("a", 6, 0), VisitKey("b", 1, 0)}
    assert {one.key for one in draw_visits(open_run(run), "a", 1, among=among)} == {VisitKey("a", 6, 0)}


def test_where_no_visit_is_over_none_is_drawn(run):
    assert draw_visits(open_run(run), "b", 1) is None


def test_rows_are_those_of_the_visit_in_order_of_pages_and_slots(tmp_path):
    run = open_run(logs.write_run(tmp_path, logs.HAND[::-1], arms=["a", "b"]))
    wanted = VisitKey("a", 7, 0), VisitKey("b", 9, 0), VisitKey("b", 9, 5)
    found = read_visits(run, wanted)
    assert set(found) == set(wanted[:2])
    rows = found[wanted[0]]
    assert [page["page"] for page in rows.pages] == [0, 1]
    assert [[(slot["item_id"], slot["rating"]) for slot in page] for page in rows.slots] == [
        [(1, 4.0), (2, None)],
        [(3, 2.0), (-1, None)],
    ]

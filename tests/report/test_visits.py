"""Visits on the page: two samples, and the worst ones behind each verdict."""

import re

import pyarrow as pa
import pytest
import written_runs as logs

from recsim_llm.log.tables import INTERVIEWS, TEXTS, write_table
from recsim_llm.report import write_report

WORDS = "<i>I liked it</i>"
KNOWN = b'{"models": {}, "seed": 3, "statements": [], "opposites": []}'


def page(folder, pages, **changes):
    run = logs.write_run(folder, pages, arms=["a", "b"], **changes)
    return run, write_report(run).read_text(encoding="utf-8")


def links_of(html):
    return re.findall(r'href="#(worst-[\d-]+)"', html)


def test_two_visits_are_shown_with_how_they_were_drawn(tmp_path):
    _, html = page(tmp_path, logs.HAND)
    section = html[html.index("Two visits, page by page</a>") :]
    assert "A typical visit. Drawn by the run&#x27;s seed, 3, among the 1 visits of b with 1 click, the median." in section
    assert "A long visit. Drawn by the run&#x27;s seed, 3, among the 1 visits of b with 3 pages, the most." in section
    assert "Page 1: 2 of 2 clicked · satisfaction 0.25" in section


def test_a_visit_that_is_both_is_shown_once(tmp_path):
    _, html = page(tmp_path, [(arm, 1, 0, 0, [(1, 4.0), (2, None)]) for arm in "ab"])
    assert "One visit, page by page" in html


def test_users_words_stand_under_their_page_and_are_what_is_drawn_among(tmp_path):
    run, _ = page(tmp_path, logs.HAND)
    told = dict.fromkeys(TEXTS.names) | {"arm": "b", "user_id": 9, "visit": 0, "page": 0, "kind": "left"}
    write_table(run, "texts", pa.Table.from_pylist([told | {"text": WORDS}], schema=TEXTS.with_metadata({"recsim_llm": KNOWN})))
    write_table(run, "interviews", logs.make_table(INTERVIEWS, []))
    html = write_report(run).read_text(encoding="utf-8")
    section = html[html.index("page by page</a>") :]
    assert "b: user 9, visit 1" in section
    assert section.index("Page 1:") < section.index("&lt;i&gt;I liked it&lt;/i&gt;")
    assert "of which users said something" in section
    assert WORDS not in html


def test_every_difference_links_to_the_visits_of_the_user_who_lost_most(tmp_path):
    pages = [("a", user, 0, 0, [(1, 4.0), (2, 3.0 if user != 2 else None)]) for user in range(4)]
    pages += [("b", user, 0, 0, [(3, 4.0 if user != 1 else None), (4, 3.0 if user == 2 else None)]) for user in range(4)]
    _, html = page(tmp_path, pages)
    # a is the best; only user 2 clicks less with a than with b: 1 against 2.
    assert links_of(html) == ["worst-0-1-2"]
    entry = html[html.index('id="worst-0-1-2"') :]
    assert "a against b, user 2: clicks per user 1 against 2" in entry
    assert "With a" in entry
    assert "With b" in entry


def test_where_nobody_lost_it_is_said_and_nothing_is_linked(tmp_path):
    pages = [(arm, user, 0, 0, [(1, 4.0 if arm == "a" else None), (2, None)]) for arm in "ab" for user in range(3)]
    _, html = page(tmp_path, pages)
    assert links_of(html) == []
    assert "nobody fell behind" in html


@pytest.mark.parametrize("length", [3, 4])
def test_of_a_worst_visit_the_first_pages_are_shown_and_the_rest_counted(tmp_path, length):
    pages = [("a", user, 0, 0, [(1, 4.0 if user else None), (2, 3.0 if user else None)]) for user in range(4)]
    pages += [
        ("b", user, 0, number, [(1, 4.0 if number == 3 or not user else None), (2, None)])
        for user in range(4)
        for number in range(length if user == 0 else 1)
    ]
    _, html = page(tmp_path, pages, max_pages=5)
    entry = html[html.index('id="worst-') :]
    assert ("1 more pages with 1 clicks" in entry) is (length == 4)

"""The realism card for readers: sentences, table, page, figures with their data."""

from __future__ import annotations

import csv
import json
import re

import pytest
from rich.console import Console

from recsim_llm.report.realism_page import realism_table, write_realism
from recsim_llm.report.realism_rows import headline, rivals, standing

FACTS = {"Command": "recsim-llm realism --data fictional"}


def row(name, role, value, low=None, high=None, difference=None, note=""):
    gap = None if difference is None else {"value": difference[0], "low": difference[1], "high": difference[2], "users": 9}
    return {
        "name": name,
        "role": role,
        "value": value,
        "low": low,
        "high": high,
        "users": 9,
        "seeds": 2,
        "difference": gap,
        "note": note,
    }


def measure(name, rows, verdict, better="higher", unit="share"):
    return {"name": name, "unit": unit, "better": better, "verdict": list(verdict), "rows": rows}


def line(number, name, measures, curves=None, reason=None):
    return {
        "number": number,
        "name": name,
        "question": f"What of {name}?",
        "verdict": measures[0]["verdict"] if measures else [f"not assessed: {reason}"],
        "protocol": "By counting <all>.",
        "not_assessed": reason,
        "measures": measures,
        "curves": curves or {},
    }


def recommender(name, truth, clicks):
    ends = {"NDCG": truth, "recall": truth, "simulated clicks": clicks}
    return {"name": name, "family": name, **{key: {"value": v, "low": v - 0.1, "high": v + 0.1} for key, v in ends.items()}}


@pytest.fixture
def card():
    taste = measure(
        "accuracy",
        [
            row("mine <b>", "candidate", 0.8, 0.75, 0.85, note="a note"),
            row("popularity", "trivial", 0.6, 0.5, 0.7, (0.2, 0.1, 0.3)),
            row("random", "trivial", 0.5, 0.4, 0.6, (0.3, 0.2, 0.4)),
            row("ALS", "cheap", 0.7, 0.6, 0.8, (0.1, 0.05, 0.15)),
        ],
        ["above popularity (better)", "above random (better)", "above ALS (better)"],
    )
    spread = measure(
        "spread",
        [
            row("mine <b>", "candidate", 0.9, 0.8, 1.0),
            row("own histogram", "cheap", 1.3, 1.2, 1.4, (0.4, 0.3, 0.5)),
            row("user and item biases", "cheap", 1.1, 1.0, 1.2, (0.1, -0.1, 0.2)),
            row("real users", "real", 1.05, 1.0, 1.1, (-0.1, -0.2, 0.05)),
        ],
        ["nearer to real users than own histogram", "not distinguishable from user and item biases", "not disting."],
        better="real",
        unit="stars",
    )
    curves = {"reliability, uniform": [{"chance": 0.1, "share": 0.2, "decisions": 5}]}
    table = {"recommenders": [recommender("random", 0.1, 0.2), recommender("ALS", 0.3, 0.5)]}
    return {
        "name": "mine <b>",
        "data": "fictional",
        "fingerprint": "abc",
        "seeds": [1, 2],
        "lines": [
            line(1, "taste", [taste]),
            line(2, "clicks", [taste], curves),
            line(4, "star shape", [spread]),
            line(5, "behaviour", [], reason="ratings <without> exposures"),
            line(7, "system ranking", [taste], table),
        ],
    }


def test_the_strongest_row_of_each_role_stands_beside_the_candidate(card):
    found = rivals(card["lines"][0]["measures"][0])
    assert found["Trivial"].row["name"] == "popularity"
    assert found["Cheap CF"].words == "above ALS (better)"
    assert found["Reference"] is None
    shape = rivals(card["lines"][2]["measures"][0])
    assert shape["Cheap CF"].row["name"] == "user and item biases"
    assert shape["Reference"].row["name"] == "real users"


def test_the_headline_says_only_what_intervals_carry(card):
    assert headline(card) == (
        "Mine <b>. Behaviour: better than the strongest cheap baseline on taste (ALS), clicks (ALS); no difference from it can "
        "be claimed on star shape (user and item biases); not assessed: behaviour. Tester: better than the strongest cheap "
        "baseline on system ranking (ALS)."
    )


def test_the_headline_claims_nothing_of_a_handful_of_users(card):
    few = json.loads(json.dumps(card).replace('"users": 9', '"users": 4'))
    for line in few["lines"]:
        for measure in line["measures"]:
            measure["verdict"] = ["too few users to tell (4; take 10 or more)"] * len(measure["verdict"])
    said = headline(few)
    assert "better" not in said
    assert "too few users to tell (take 10 or more) on taste (4 users), clicks (4 users)" in said


@pytest.mark.parametrize(
    ("words", "word"),
    [
        ("above ALS (better)", "better"),
        ("below ALS (worse)", "worse"),
        ("nearer to real users than ALS", "nearer"),
        ("not distinguishable from ALS", "undecided"),
        ("above real users", "differs"),
        ("too few users to tell (4; take 10 or more)", "too few users"),
        ("", ""),
    ],
)
def test_a_verdict_in_one_word(words, word):
    assert standing(words) == word


@pytest.mark.parametrize("width", [60, 140])
def test_the_table_names_every_line_and_says_why_one_is_missing(card, width):
    console = Console(width=width, record=True, quiet=False, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.file:
        console.print(realism_table(card))
    text = console.export_text()
    for words in ("1 taste", "4 star shape", "not assessed: ratings <without>", "80", "a note"):
        assert words in text


def test_the_folder_holds_page_numbers_and_figures_with_their_data(card, tmp_path):
    page = write_realism(card, tmp_path / "new", FACTS)
    folder = page.parent
    told = json.loads((folder / "realism.json").read_text())
    assert told["lines"] == json.loads(json.dumps(card["lines"]))
    assert told["made"] == FACTS
    for name in ("realism", "system_ranking", "reliability"):
        assert (folder / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader((folder / "figures" / "realism.csv").read_text().splitlines()))
    assert [r["row"] for r in rows[:4]] == ["mine <b>", "ALS", "popularity", "random"]
    ranked = list(csv.DictReader((folder / "figures" / "system_ranking.csv").read_text().splitlines()))
    assert [r["recommender"] for r in ranked] == ["random", "ALS"]


def test_the_page_needs_nothing_and_runs_nothing_and_shows_names_as_they_are(card, tmp_path):
    text = write_realism(card, tmp_path, FACTS).read_text()
    assert "<script" not in text
    assert not re.search(r"""(src|href)=["'](?!#)""", text)
    assert "mine &lt;b&gt;" in text
    assert "mine <b>" not in text
    assert "ratings &lt;without&gt; exposures" in text
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text
    assert "recsim-llm realism --data fictional" in text


def test_figures_that_a_card_cannot_fill_are_left_out(card, tmp_path):
    bare = {**card, "lines": [card["lines"][3]]}
    text = write_realism(bare, tmp_path, FACTS).read_text()
    assert list((tmp_path / "figures").iterdir()) == []
    assert "Nothing could be compared" not in text
    assert "Not assessed: behaviour" in text


@pytest.fixture
def behaving(card):
    ends = {"value": 0.3, "low": 0.2, "high": 0.4}
    rows = {"mine <b>": ends, "same rate": {**ends, "value": 0.1}, "real users": ends}
    points = [{"place": place, "rows": rows, "inside": place < 3} for place in (1, 2, 3)]
    quantiles = [{"share": share, "mine <b>": 5.0, "real users": 6.0, "same rate": 9.0} for share in (0.25, 0.75)]
    depth = measure(
        "click depth",
        [row("mine <b>", "candidate", 0.05, 0.03, 0.08), row("rates by rank", "cheap", 0.02, 0.01, 0.03, (0.03, 0.02, 0.05))],
        ["above rates by rank (worse)"],
        better="lower",
        unit="distance",
    )
    curves = {"click rate by rank": points, "exit hazard": points, "dwell quantiles": quantiles}
    seen = measure("smallest share of worse slots that is seen", [row("mine <b>", "candidate", 0.1)], [], better="lower")
    lost = {"clicks lost": [{"share": share, "rows": {"mine <b>": ends, "real users": ends}} for share in (0.1, 0.4)]}
    kept = [one for one in card["lines"] if one["number"] != 5]
    return {**card, "lines": [*kept, line(5, "behaviour", [depth], curves), line(12, "planted worse system", [seen], lost)]}


def test_the_two_scores_stand_beside_each_other_and_are_never_one(behaving, tmp_path):
    page = write_realism(behaving, tmp_path, FACTS).read_text()
    beside = page[page.index('<div class="beside">') :]
    sections = re.findall(r"<section><h3>(.*?)</h3>(.*?)</section>", beside, re.DOTALL)
    assert [title for title, _ in sections] == ["Behaviour", "Tester"]
    assert "Worse" not in sections[1][1]
    assert "worse on behaviour (rates by rank)" in sections[0][1]
    assert "7 system ranking" in sections[1][1]
    assert "7 system ranking" not in sections[0][1]
    assert "never averaged" in page


def test_figures_of_behaviour_show_people_as_a_band_and_say_how_often_the_users_are_inside(behaving, tmp_path):
    page = write_realism(behaving, tmp_path, FACTS).read_text()
    assert "Clicks by rank: mine &lt;b&gt; inside the real 95% interval at 2 of 3 ranks" in page
    assert "mine &lt;b&gt; see a worse recommender from 10% of slots on" in page
    rates = list(csv.DictReader((tmp_path / "figures" / "click_rates.csv").read_text().splitlines()))
    assert [(point["place"], point["row"], point["value"]) for point in rates[:2]] == [
        ("1", "mine <b>", "0.3"),
        ("1", "same rate", "0.1"),
    ]
    assert len(list(csv.DictReader((tmp_path / "figures" / "dwell.csv").read_text().splitlines()))) == 6
    for name in ("exit_hazard", "planted_worse"):
        assert (tmp_path / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_a_score_that_nothing_was_measured_of_says_what_would_do(behaving, tmp_path):
    alone = {**behaving, "lines": [one for one in behaving["lines"] if one["number"] == 5]}
    assert headline(alone).endswith(
        "Tester: not assessed: the card was made of a log alone; ratings (--data) tell recommenders apart."
    )
    assert "Not assessed: the card was made of a log alone" in write_realism(alone, tmp_path, FACTS).read_text()

"""A figure without data is left out with a reason; whatever a run lacks, the page has no empty panel."""

import re

import pytest
import written_runs as logs

from recsim_llm.comparison import summarise
from recsim_llm.report import drawing, write_report
from recsim_llm.report.figures import FIGURES


def run_of(folder, slots, *, arms=("a", "b"), users=4, **changes):
    """A run whose every page has these slots."""
    return logs.write_run(folder, [(arm, user, 0, 0, slots) for arm in arms for user in range(users)], arms=[*arms], **changes)


def drawn(html):
    return set(re.findall(r'<h3 id="(\w+)-title">', html)) & {kind.name for kind in FIGURES}


def reasons(html):
    return dict(re.findall(r"([A-Z][\w ]+): not drawn, since ([\w ]+)\.", html))


CLICKED, UNCLICKED = [(1, 4.0), (2, None)], [(1, None), (2, None)]
ALL = {kind.name for kind in FIGURES} - {"reward_by_page"}  # which is told where later pages count less
CLICKS = {"clicks_per_user", "clicks_by_position"}


def test_without_clicks_nothing_of_clicks_is_drawn(tmp_path):
    run = run_of(tmp_path, UNCLICKED)
    html = write_report(run).read_text(encoding="utf-8")
    assert drawn(html) == ALL - CLICKS - {"ratings"}
    assert reasons(html)["Clicks per user"] == "nothing was clicked in this run"
    assert reasons(html)["Stars of clicked items"] == "no clicked item was rated in this run"
    assert {path.stem for path in (run / "figures").iterdir()} == drawn(html)


def test_without_a_visit_that_is_over_there_is_no_survival_and_no_visit(tmp_path):
    run = run_of(tmp_path, CLICKED)
    for path in (run / "visits").iterdir():
        path.unlink()
    html = write_report(run).read_text(encoding="utf-8")
    assert reasons(html) == {"Pages per visit": "no visit has finished yet"}
    assert "No visit is over yet" in html


def test_without_items_nothing_of_exposure_is_drawn(tmp_path):
    html = write_report(run_of(tmp_path, [(-1, None), (-1, None)])).read_text(encoding="utf-8")
    assert "exposure_lorenz" not in drawn(html)
    assert reasons(html)["Lorenz curves of exposure"] == "no item was shown in this run"


@pytest.mark.parametrize("changes", [{"arms": ["only"]}, {"users": 1}, {"finished": {"a": True, "b": False}}])
def test_one_arm_one_user_and_an_unfinished_run_have_all_figures(tmp_path, changes):
    html = write_report(run_of(tmp_path, CLICKED, **changes)).read_text(encoding="utf-8")
    assert (drawn(html), reasons(html)) == (ALL, {})


def test_an_arm_without_data_has_no_panel_and_is_named(tmp_path):
    pages = [(arm, user, 0, 0, CLICKED if arm == "a" else UNCLICKED) for arm in "ab" for user in range(4)]
    run = logs.write_run(tmp_path, pages, arms=["a", "b"])
    ratings = next(kind for kind in FIGURES if kind.name == "ratings")
    with drawing.style():
        assert [axes.get_title(loc="left") for axes in ratings.draw(summarise(run)).axes] == ["a"]
    assert "Not drawn for want of data: b." in write_report(run).read_text(encoding="utf-8")


def test_what_was_drawn_before_and_has_no_data_now_is_removed(tmp_path):
    run = run_of(tmp_path, UNCLICKED)
    (run / "figures").mkdir()
    (run / "figures" / "ratings.png").write_bytes(b"old")
    write_report(run)
    assert not (run / "figures" / "ratings.png").exists()


def test_a_recommender_has_its_colour_wherever_it_stands(tmp_path):
    places = []
    for number, arms in enumerate((["mf", "mine"], ["random", "mine", "mf"])):
        html = write_report(run_of(tmp_path / str(number), CLICKED, arms=arms)).read_text(encoding="utf-8")
        swatches = re.findall(r'var\(--arm(\d)\)">●</span>&nbsp;([\w-]+)', html)
        places.append({name: place for place, name in swatches})
    assert places[0].items() <= places[1].items()
    assert places[0]["mf"] == "3"


def test_the_shipped_recommenders_have_a_colour_to_themselves():
    names = ("random", "popularity", "item-knn", "mf", "oracle", "linucb", "softmax", "language")
    assert len({drawing.colour(drawing.place_of(name)) for name in names}) == len(names)


def test_arms_of_one_report_have_colours_to_themselves(tmp_path):
    # All but one of them would like the same colour.
    alike = [name for name in (f"mine-{number}" for number in range(200)) if drawing.place_of(name) == 3][:11]
    arms = ["mf", *alike]
    html = write_report(run_of(tmp_path, CLICKED, arms=arms)).read_text(encoding="utf-8")
    swatches = dict(re.findall(r'var\(--arm(\d+)\)">●</span>&nbsp;([\w-]+)', html))
    assert swatches["3"] == "mf"
    assert set(swatches.values()) == set(arms)
    assert "arm11" in html.partition("<body")[0]


@pytest.mark.parametrize("count", [12, 48])
def test_no_colour_comes_twice_among_twelve_nor_with_the_same_line_among_48(count):
    names = [f"mine-{number}" for number in range(count)]
    with drawing.apart(names):
        places = [drawing.place_of(name) for name in names]
    assert len({(drawing.colour(place), drawing.line(place)) for place in places}) == count
    assert len({drawing.colour(place) for place in places}) == 12
    assert len({drawing.marker(place) for place in places[:12]}) == 12

import csv
import json
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
import written_runs as logs
from rich.console import Console

from recsim_llm.comparison import summarise
from recsim_llm.report import numbers, summary_table, verdict, write_report
from recsim_llm.report.figures import FIGURES
from recsim_llm.report.result_sections import results_section
from recsim_llm.report.summary_tables import Cell, metric_rows
from recsim_llm.statistics import Estimate

USUAL = [kind for kind in FIGURES if kind.name != "reward_by_page"]
"""Figures of runs in which later pages count as much as the first."""

VOID = {"meta", "br", "img"}
HOSTILE = '<script>alert("x")</script> & $a_b$'


def pages_of(arm, clicks):
    """One page a user, with as many clicks as given, on slates of four."""
    return [(arm, user, 0, 0, [(k, 3.0 + k % 2 if k < n else None) for k in range(4)]) for user, n in enumerate(clicks)]


def write_arms(run, finished=None, **clicks):
    log = [page for arm, counts in clicks.items() for page in pages_of(arm, counts)]
    return logs.write_run(run, log, arms=list(clicks), slate_size=4, finished=finished)


class Page(HTMLParser):
    """Collects tags, attributes and text, and checks that every tag is closed."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.ids, self.text, self._open = set(), [], [], [], []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        self.ids += [entry for name, entry in attrs if name == "id"]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_arms(tmp_path_factory.mktemp("run"), old=[0, 1, 1, 0, 2, 1] * 5, new=[1, 2, 3, 1, 3, 2] * 5)


@pytest.fixture(scope="module")
def html(run):
    return write_report(run).read_text(encoding="utf-8")


def test_page_is_one_file_that_loads_nothing(html):
    page = Page(html)
    assert not page.tags & {"script", "link", "iframe", "object", "embed", "img", "base", "image"}
    links = [entry for name, entry in page.attributes if name in ("src", "href", "xlink:href", "srcset", "data", "action")]
    assert links
    assert all(link.startswith("#") for link in links)
    assert not re.search(r"https?://|@import|url\((?!#)", html)


def test_ids_on_the_page_are_unique_and_every_reference_is_met(html):
    page = Page(html)
    assert len(page.ids) == len(set(page.ids))
    assert {*re.findall(r'(?:href="|url\()#([^")]+)', html), *re.findall(r'aria-labelledby="([^"]+)"', html)} <= set(page.ids)


def test_page_serves_light_dark_and_narrow_screens(html):
    assert "prefers-color-scheme: dark" in html
    assert 'name="viewport"' in html
    assert html.count("<svg") == len(USUAL)
    assert "var(--ink)" in html[html.index("<svg") :]
    assert "#1d2430" not in html[html.index("<svg") :]


def test_page_states_the_verdict_first_then_users_settings_and_how_to_repeat_it(run, html):
    text = "".join(Page(html).text)
    headings = re.findall(r'<h2 id="[^"]+"><a href="[^"]+">(.*?)</a></h2>', html)
    first = ["Figures", "Results", "Paired differences", "Most shown, most clicked", "Two visits, page by page"]
    assert headings == [*first, "How far to trust it", "Failures", "Cost", "Configuration", "Reproduce"]
    assert text.index("new has the most clicks per user: 2.0") < text.index("● decided") < text.index("They are not people.")
    assert html.index('class="verdict"') < html.index("<nav") < html.index("<h2")
    assert "recsim-llm run hand" in text
    assert "--seed 3" in text


def test_figures_come_with_pictures_and_data(run, html):
    for kind in USUAL:
        assert (run / "figures" / f"{kind.name}.png").read_bytes().startswith(b"\x89PNG")
        with (run / "figures" / f"{kind.name}.csv").open(encoding="utf-8", newline="") as stream:
            header, *rows = list(csv.reader(stream))
        assert tuple(header) == kind.columns
        assert {row[0] for row in rows} == {"old", "new"}


def test_metrics_file_holds_the_summary(run, html):
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert metrics == json.loads(json.dumps(summarise(run).to_json())) | {"language_model_calls": [], "serving": []}
    assert not list(run.rglob("*.part"))


def test_writing_again_gives_the_same_bytes(run, html):
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    write_report(run)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_text_from_data_is_escaped_everywhere(tmp_path):
    run = write_arms(tmp_path, **{HOSTILE: [1, 2, 0], "$x": [0, 1, 0]})
    manifest = json.loads((run / "manifest.json").read_text())
    manifest |= {"scenario": HOSTILE, "user_model": HOSTILE, "settings": {HOSTILE: HOSTILE}, "versions": {HOSTILE: HOSTILE}}
    manifest["data"] = dict.fromkeys(("name", "fingerprint", "licence"), HOSTILE)
    (run / "manifest.json").write_text(json.dumps(manifest))
    html = write_report(run).read_text(encoding="utf-8")
    assert "script" not in Page(html).tags
    assert "<script" not in html
    assert HOSTILE in "".join(Page(html).text)


@pytest.mark.parametrize(
    "clicks",
    [
        {"only": [1, 0, 2]},
        {"only": [2]},
        {"a": [0, 0, 0], "b": [0, 0, 0]},
        {"a": [1, 0, 2], "oracle": [2, 1, 4]},
        {"推荐": [1, 0, 2], "b": [0, 0, 0]},
        {f"arm{n}": [n % 3, 1, 2] for n in range(11)},
    ],
    ids=["one arm", "one user", "zero clicks", "oracle", "other script", "eleven arms"],
)
def test_every_shape_of_run_gets_a_report(tmp_path, clicks):
    run = write_arms(tmp_path, **clicks)
    Page(write_report(run).read_text(encoding="utf-8"))


def verdict_of(folder, **clicks):
    return verdict(summarise(write_arms(folder, **clicks)))


def test_verdict_claims_a_difference_that_its_interval_carries(tmp_path):
    text = verdict_of(tmp_path, old=[0, 1, 1, 0, 2, 1], new=[1, 2, 3, 1, 3, 2])
    # Differences 1, 1, 2, 1, 1, 1: mean 7/6, standard error 1/6, t(5) 2.571.
    assert text == "new got more clicks a user than old: +1.2 [0.7, 1.6], 6 users."


def test_verdict_claims_nothing_that_its_interval_does_not_carry(tmp_path):
    text = verdict_of(tmp_path, old=[0, 1, 1, 0, 2, 1], new=[1, 0, 3, 0, 3, 0])
    assert text.startswith("No difference in clicks a user can be claimed between new and old: +0.3 [−")


def test_verdict_names_the_beaten_apart_from_the_level(tmp_path):
    best, level = [3, 3, 4, 3, 4, 3], [3, 4, 3, 3, 4, 2]
    text = verdict_of(tmp_path, best=best, level=level, worst=[0, 0, 1, 0, 0, 0])
    assert text.startswith("best got more clicks a user than worst (+")
    assert text.endswith("can be claimed.")
    assert "No difference from level (+0.2 [−" in text


def test_verdict_on_many_arms_names_the_nearest_and_counts_the_others(tmp_path):
    beaten = {f"arm-{place}": [0, 0, 1, 0, 0, 0] for place in range(8)}
    text = verdict_of(tmp_path / "beaten", **beaten, best=[3, 3, 4, 3, 4, 3])
    assert text.startswith("best got the most clicks a user: +3.2 [2.1, 4.2] over arm-0, ")
    assert text.endswith(" over arm-3, and more than each of 4 others, 6 users.")
    level = {f"arm-{place}": [3, 4, 3, 3, 4, 2] for place in range(8)}
    text = verdict_of(tmp_path / "level", **level, best=[3, 3, 4, 3, 4, 3])
    assert "between best and arm-0, arm-1, arm-2, arm-3 and 4 others: " in text
    assert "arm-4" not in text


def test_verdict_on_equal_arms_and_on_single_users(tmp_path):
    assert "exactly as many clicks from every user" in verdict_of(tmp_path / "aa", a=[1, 2], b=[1, 2])
    assert verdict_of(tmp_path / "one", a=[1], b=[2]).endswith("+1.00, 1 user, too few or too alike for an interval.")
    assert verdict_of(tmp_path / "alone", a=[1, 3, 2]).endswith("One recommender has nothing to be compared with.")


def test_a_mean_of_users_who_all_agree_has_a_dash_for_its_interval_and_a_legend(tmp_path):
    summary = summarise(write_arms(tmp_path, a=[4, 4], b=[3, 4]))
    rows = dict(metric_rows(summary))
    assert rows["Clicks per user"][0] == Cell("4", "–")
    assert rows["Clicks per user"][1].interval.startswith("[")
    legend = "– below a number: no interval, since users are too few or all alike, which does not make it exact"
    assert legend in str(summary_table(summary).renderables[-1].caption)
    assert legend in results_section(summary)


def test_verdict_claims_nothing_about_a_run_that_is_not_finished(tmp_path):
    run = write_arms(tmp_path, {"old": True, "new": False}, old=[0, 1, 1, 0, 2, 1], new=[1, 2, 3, 1, 3, 2])
    assert verdict(summarise(run)) == "The run is not finished (new): nothing can be claimed before it is resumed."


def test_verdict_tells_what_the_oracle_got_more(tmp_path):
    text = verdict_of(tmp_path, a=[1, 1, 2, 1, 0, 1], oracle=[3, 3, 3, 3, 2, 3])
    assert text.startswith("a got 1.0")
    assert text.endswith("clicks a user more than a.")


def test_terminal_table_shows_values_with_intervals(run):
    console = Console(width=80)
    with console.capture() as printed:
        console.print(summary_table(summarise(run)))
    text = printed.get()
    assert "Clicks per user" in text
    assert re.search(r"\[\d\.\d+, \d\.\d+\]", text)


def test_terminal_table_of_many_recommenders_goes_on_below(tmp_path):
    names = [f"arm {number}" for number in range(12)]
    run = write_arms(tmp_path, dict.fromkeys(names, True), **{name: [0, 1, 2, 1] for name in names})
    console = Console(width=80)
    with console.capture() as printed:
        console.print(summary_table(summarise(run)))
    text = printed.get()
    assert "…" not in text
    assert text.count("Clicks per user") == text.count(" Users ") == 3
    assert text.count("intervals by user") == 1


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(value=1.2345, low=0.9, high=1.569, users=9), "+1.23 [0.90, 1.57]"),
        (Estimate(value=-5.01, low=-6.0, high=-4.02, users=9), "−5.0 [−6.0, −4.0]"),
        (Estimate(value=0.064, low=0.0004, high=0.1276, users=9), "+0.0640 [0.0004, 0.1276]"),
        (Estimate(value=0.0, users=9), "0.00"),
        (Estimate(value=None, users=0), "–"),
    ],
)
def test_numbers_have_the_decimals_that_their_interval_carries(estimate, text):
    assert numbers.with_interval(estimate, sign=True) == text


def test_package_import_loads_neither_matplotlib_nor_rich_nor_pyarrow():
    code = "import sys, recsim_llm; print([m for m in ('matplotlib', 'rich', 'pyarrow') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"

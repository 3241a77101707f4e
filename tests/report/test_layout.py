"""Long tables fold, headings can be linked to, and a realism card is put on the page."""

import json
import re

import pytest
import written_runs as logs

from recsim_llm.cli.main import main
from recsim_llm.errors import LogError
from recsim_llm.report import write_report
from recsim_llm.report.page_layout import document, line_with_code, table
from recsim_llm.report.summary_tables import Cell


def rows(number, name="row"):
    return [(f"{name} {place}", [Cell(str(place))]) for place in range(number)]


def parts_of(html):
    """Return the labels that are seen, the summary, and the labels that are folded."""
    seen, _, rest = html.partition("<details>")
    labels = r'<th scope="row">(.*?)</th>'
    return re.findall(labels, seen), "".join(re.findall("<summary>(.*?)</summary>", rest)), re.findall(labels, rest)


@pytest.mark.parametrize(
    ("line", "html"),
    [
        ("`recsim-llm probe` finds it out", "<code>recsim-llm probe</code> finds it out"),
        ("say `a <b> & c`, then `d`.", "say <code>a &lt;b&gt; &amp; c</code>, then <code>d</code>."),
        ("5` of `<script>` and ``", "5<code> of </code>&lt;script&gt;<code> and </code>`"),
        ("<b onclick='x'>`</b>", "&lt;b onclick=&#x27;x&#x27;&gt;`&lt;/b&gt;"),
    ],
)
def test_what_stands_between_backticks_is_code_and_no_markup_is_let_through(line, html):
    assert line_with_code(line) == html


def test_nothing_on_a_page_hides_or_turns_what_follows():
    html = document("a\x00b", "<h1>x\u202ey</h1>", [f"<p>é 🎬 {chr(0x1B)}[31mred\x07\u2028</p>"])
    assert "<title>ab</title>" in html
    assert "<h1>xy</h1>" in html
    assert "<p>é 🎬 red</p>" in html


def test_a_table_of_eight_rows_is_open():
    assert parts_of(table(["x"], [("", rows(8))])) == ([f"row {place}" for place in range(8)], "", [])


def test_a_longer_table_folds_what_is_beyond_the_eighth_row():
    seen, summary, folded = parts_of(table(["x"], [("", rows(11))]))
    assert (len(seen), summary) == (8, "row 8, row 9, row 10")
    assert folded == ["row 8", "row 9", "row 10"]


def test_groups_fold_as_a_whole_and_in_order():
    groups = [("clicks", rows(6, "a")), ("stars", rows(3, "b")), ("pages & more", rows(1, "c"))]
    seen, summary, folded = parts_of(table(["x"], groups))
    assert seen == [f"a {place}" for place in range(6)]
    assert summary == "stars, pages &amp; more"
    assert folded == ["b 0", "b 1", "b 2", "c 0"]


@pytest.mark.parametrize("number", [6, 7])
def test_contents_come_with_more_than_six_sections(number):
    html = document("t", "<h1>t</h1>", [f"<h2>Part &amp; {'same' if place < 2 else place}</h2>" for place in range(number)])
    ids = re.findall(r'<h2 id="(.*?)"', html)
    assert len(set(ids)) == number
    contents = re.search(r"<nav.*?</nav>", html, re.DOTALL)
    assert re.findall(r'href="#(.*?)"', contents[0] if contents else "") == (ids if number > 6 else [])


def measure():
    known = {"users": 9, "seeds": 1, "note": "", "low": 0.6, "high": 0.8}
    mine = known | {"name": "choice users", "role": "candidate", "value": 0.7, "difference": None}
    theirs = known | {"name": "ALS", "role": "cheap", "value": 0.7, "difference": known | {"value": 0.0}}
    words = ["not distinguishable"]
    return {"name": "AUC", "unit": "share", "better": "higher", "rows": [mine, theirs], "verdict": words}


def card(**changes):
    line = {"number": 1, "name": "taste", "measures": [measure()], "curves": {}}
    return {"name": "choice users", "data": "films", "fingerprint": "abc", "lines": [line]} | changes


@pytest.fixture
def folder(tmp_path):
    log = [(arm, user, 0, 0, [(0, 4.0), (1, None)]) for arm in ("old", "new") for user in range(4)]
    return logs.write_run(tmp_path / "run", log, arms=["old", "new"], slate_size=2)


def test_a_card_is_put_on_the_page_and_stays_with_the_run(folder, tmp_path):
    file = tmp_path / "realism.json"
    file.write_text(json.dumps(card()))
    assert main(["report", str(folder), "--realism", str(file), "--quiet"]) == 0
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert "Taste: AUC (share)" in html
    assert "Behaviour: no difference from the strongest cheap baseline can be claimed on taste (ALS)." in html
    assert "The card was measured on other data than this run&#x27;s, films." in html
    file.unlink()
    assert write_report(folder).read_text(encoding="utf-8") == html
    assert (folder / "figures" / "realism.csv").is_file()


def test_without_a_card_the_page_says_that_nobody_asked(folder):
    assert "It has not been asked here" in write_report(folder).read_text(encoding="utf-8")


@pytest.mark.parametrize("content", ["", "[]", "{}", json.dumps(card(lines=[{}])), json.dumps(card(name=None))])
def test_what_is_no_card_is_refused_and_not_kept(folder, tmp_path, content):
    file = tmp_path / "other.json"
    file.write_text(content)
    with pytest.raises(LogError, match="realism"):
        write_report(folder, card=file)
    assert not (folder / "realism.json").exists()


@pytest.mark.parametrize("name", ["none.json", "."])
def test_a_missing_card_is_refused(folder, tmp_path, name):
    with pytest.raises(LogError, match="realism"):
        write_report(folder, card=tmp_path / name)

"""Pages as a browser shows them: nothing is loaded, cut off, unreadable, or wider than the screen."""

import pytest
from browser import HEIGHT, Tab, opened_browser
from page_looks import BAD_FIGURES, LEAST_CONTRAST, PALE, TOO_WIDE

from recsim_llm.agents.choice.choice_candidate import choice_candidate
from recsim_llm.cli.main import main
from recsim_llm.data import fictional
from recsim_llm.language.chaos.faults import Faults
from recsim_llm.language.chaos.server import ChaosServer
from recsim_llm.realism import CardSettings, realism_card
from recsim_llm.report import write_report
from recsim_llm.report.realism_page import write_realism
from recsim_llm.scenarios import load_scenario, run
from recsim_llm.scenarios.compare_runs import compare_runs
from recsim_llm.scenarios.speech import speak

pytestmark = pytest.mark.slow

SMALL = {
    "users.count": 40,
    "max_pages": 4,
    "slate_size": 6,
    "seed": 3,
    "recommenders": ["random", "popularity", "mf", "oracle"],
}
LANGUAGE = {
    "users.count": 8,
    "users.model": "language",
    "models.user": "scripted/genres",
    "recommenders": ["random", "popularity"],
}
PAGES = ("plain", "crowded", "failures", "cascade", "speech", "compare", "trusted", "studied", "two runs", "realism")
WIDTHS = (390, 1280)
OPEN = "document.querySelectorAll('details').forEach(one => { one.open = true; });"


@pytest.fixture(scope="module")
def browser():
    with opened_browser() as opened:
        yield opened


def scenario(**changes):
    return load_scenario("demo", SMALL | changes)


def failing(folder):
    with ChaosServer(seed=2, faults=Faults.storm(0.3, hang_seconds=0.05)) as server:
        model = {"name": "openai-compatible/chaos", "base_url": server.base_url, "transport": "aiohttp", "realisation": "json"}
        run(scenario(**LANGUAGE | {"models.user": model}), folder)


def crowded(folder):
    names = [f"recommender with a name as long as number {number}" for number in range(9)]
    arms = [{"name": name, "recommender": "random", "settings": {}} for name in names]
    run(scenario(recommenders=arms), folder)


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    settings = CardSettings(seeds=(1, 2), resamples=60, panel_items=80)
    made = realism_card(fictional.load(n_users=60), "choice users", choice_candidate, settings)
    return write_realism(made.to_json(), tmp_path_factory.mktemp("card"), {"command": "by hand"})


@pytest.fixture(scope="module")
def pages(tmp_path_factory, card, monkeypatch_module):
    """Every kind of page, by name."""
    folder = tmp_path_factory.mktemp("pages")
    run(scenario(**{"users.parameters.click_bias": 1.0}), folder / "plain")
    crowded(folder / "crowded")
    failing(folder / "failures")
    run(scenario(**LANGUAGE | {"users.model": "cascade", "users.count": 12}), folder / "cascade")
    run(scenario(**LANGUAGE), folder / "speech")
    speak(folder / "speech", reviews=4, reasons=4, interviews=4)
    flags = [f"--{name}={value}" for name, value in {"n-users": 60, "pages": 4, "seed": 3, "pilot": 20}.items()]
    assert main(["compare", "demo", *flags, "--effect=0.3", "--plan", "--quiet", f"--out={folder / 'compare'}"]) == 0
    run(scenario(seed=4), folder / "trusted")
    write_report(folder / "trusted", card=card.with_name("realism.json"))
    run(scenario(recommenders=["random", "popularity"], seed=5), folder / "studied")
    ope = ["ope", str(folder / "studied"), "--logging=popularity", "--target=popularity", "--quiet"]
    audit = ["audit", "injection", "--model=scripted/genres", "--data=fictional", "--n-users=5", "--seed=3", "--quiet"]
    assert main(ope) == main([*audit, f"--out={folder / 'audit'}"]) == 0
    write_report(folder / "studied", audits=[folder / "audit"])
    made = {name: write_report(folder / name) for name in PAGES[:-2]}
    run(scenario(recommenders=["item-knn", "random"], **{"users.parameters.click_bias": 2.0}), folder / "other")
    compare_runs(folder / "plain", folder / "other", folder / "two runs")
    return made | {"two runs": folder / "two runs" / "report.html", "realism": card}


@pytest.fixture(scope="module")
def monkeypatch_module(tmp_path_factory):
    """Probes of servers are kept in a cache folder; ports come again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield patch


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_page_fits_the_screen_whether_folded_or_not(browser, pages, name, width):
    with Tab(browser, pages[name], width) as tab:
        assert tab.value(TOO_WIDE.replace("WIDTH", str(width))) == []
        assert tab.value(OPEN + TOO_WIDE.replace("WIDTH", str(width))) == []


@pytest.mark.parametrize("name", PAGES)
def test_page_asks_for_nothing_else_and_the_console_is_silent(browser, pages, name):
    with Tab(browser, pages[name], 1280) as tab:
        tab.value(OPEN)
        assert tab.requests() == [pages[name].as_uri()]
        assert tab.complaints() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_every_text_stands_out_from_what_is_behind_it(browser, pages, name, scheme):
    with Tab(browser, pages[name], 1280, scheme) as tab:
        assert tab.value(OPEN + PALE.replace("LEAST", str(LEAST_CONTRAST))) == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_figures_are_seen_whole_and_their_labels_can_be_read(browser, pages, name, width):
    with Tab(browser, pages[name], width) as tab:
        assert tab.value(BAD_FIGURES) == []


def test_dark_is_dark_and_light_is_light(browser, pages):
    script = "return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0];"
    shades = {}
    for scheme in ("light", "dark"):
        with Tab(browser, pages["plain"], 1280, scheme) as tab:
            shades[scheme] = tab.value(script)
    assert shades["dark"] < 60 < 200 < shades["light"]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", [name for name in PAGES if name != "realism"])
def test_the_winner_is_on_the_first_screen_whatever_the_names(browser, pages, name, width):
    script = "const box = document.querySelector('h1 + .verdict').getBoundingClientRect(); return [box.top, box.bottom];"
    with Tab(browser, pages[name], width) as tab:
        top, bottom = tab.value(script)
    assert 0 < top < bottom <= HEIGHT / 2


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["plain", "failures", "cascade", "compare", "trusted", "two runs"])
def test_first_screen_says_who_won_how_sure_and_with_which_users(browser, pages, name, width):
    script = """
        return ['h1', '.verdict', '.evidence', '.evidence + .aside', '.facts'].map(
            at => document.querySelector(at).getBoundingClientRect().bottom);
    """
    with Tab(browser, pages[name], width) as tab:
        bottoms = tab.value(script)
    assert bottoms == sorted(bottoms)
    assert bottoms[-1] <= HEIGHT


@pytest.mark.parametrize("name", ["plain", "compare", "two runs"])
def test_a_link_to_worst_visits_leads_to_a_line_that_opens_to_both_recommenders(browser, pages, name):
    script = """
        const link = document.querySelector('.evidence a.worst'), case_ = document.querySelector(link.getAttribute('href'));
        case_.querySelectorAll('details').forEach(one => { one.open = true; });
        link.click();
        const box = case_.getBoundingClientRect();
        return [link.getAttribute('aria-label'), box.top, box.height, case_.querySelectorAll('h3').length,
            case_.querySelectorAll('tbody tr').length];
    """
    with Tab(browser, pages[name], 390) as tab:
        label, top, height, parts, slots = tab.value(script)
    assert "against" in label
    assert -1 <= top <= 20
    assert height > 200
    assert (parts, slots >= 6) == (2, True)


def test_every_part_that_opens_and_every_wide_table_is_reached_by_the_keyboard(browser, pages):
    script = """
        const bare = [...document.querySelectorAll('summary, a')].filter(one => one.tabIndex < 0);
        const wide = [...document.querySelectorAll(".wide")].filter(one => one.tabIndex || !one.getAttribute("aria-label"));
        const unnamed = [...document.querySelectorAll('svg')].filter(
            one => one.getAttribute('role') !== 'img' || !document.getElementById(one.getAttribute('aria-labelledby')));
        return [bare.length, wide.length, unnamed.length, document.querySelectorAll('.wide').length];
    """
    with Tab(browser, pages["compare"], 390) as tab:
        *wrong, tables = tab.value(script)
    assert wrong == [0, 0, 0]
    assert tables > 5


@pytest.mark.parametrize("name", PAGES)
def test_every_heading_can_be_linked_to_and_contents_lead_there(browser, pages, name):
    script = """
        const headings = [...document.querySelectorAll('h2')], links = [...document.querySelectorAll('nav a')];
        return [headings.map(one => '#' + one.id), links.map(one => one.getAttribute('href')),
            [...document.querySelectorAll('a')].filter(one => !document.querySelector(one.getAttribute('href'))).length];
    """
    with Tab(browser, pages[name], 1280) as tab:
        headings, links, dead = tab.value(script)
    assert len(headings) > (4 if name == "two runs" else 6)
    assert links == headings
    assert dead == 0


@pytest.mark.parametrize("name", PAGES)
def test_no_long_table_is_open_from_the_start(browser, pages, name):
    script = """
        return [...document.querySelectorAll('table')].filter(one => one.getClientRects().length && one.checkVisibility())
            .map(one => one.querySelectorAll('tbody tr:not(.group)').length);
    """
    with Tab(browser, pages[name], 390) as tab:
        rows = tab.value(script)
    assert rows
    assert max(rows) <= 10

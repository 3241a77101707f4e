"""What does not fit together in a scenario file is told with its line; who overrides it may leave some of it behind."""

import pytest
from living import living

from recsim_llm.comparison import summarise
from recsim_llm.comparison.findings import measure_findings
from recsim_llm.errors import ConfigError
from recsim_llm.scenarios import load_scenario, run
from recsim_llm.scenarios.schema import shipped_scenarios

HEAD = "name: faults\nrecommenders: [mf, popularity]\nslate_size: 5\nclock: {days: 4}\n"
SLOT = "change: {promote: {items: {share: 0.1}, slot: 1}}"


def plan(rest, name="a"):
    return f"  - {{name: {name}, {rest}}}\n"


def series(*settings):
    return "measure:\n  series:\n" + "".join(f"    s{number}: {{{one}}}\n" for number, one in enumerate(settings))


@pytest.mark.parametrize(
    ("tail", "words"),
    [
        (
            "interventions:\n" + plan("at: day 99, change: {drift: {size: 1}}"),
            "line 6: interventions.0.at: got day 99, expected 0 to 3",
        ),
        (
            "interventions:\n" + plan("at: day 3 hour 12, change: {drift: {size: 1}}"),
            "line 6: interventions.0.at: got day 3.5, expected 0 to 3",
        ),
        (
            "interventions:\n" + plan("at: tomorrow, change: {drift: {size: 1}}"),
            "line 6: interventions.0.at: got 'tomorrow', expected `day 10`",
        ),
        (
            "interventions:\n" + plan("at: 2, until: 1, change: {drift: {size: 1}}"),
            "line 6: interventions.0: .*got until 1, expected a day after 2",
        ),
        ("interventions:\n" + plan("at: 2, change: {}"), "line 6: interventions.0: change: got nothing"),
        (
            "interventions:\n" + plan("at: 2, change: {drift: {size: 1}}, who: {trait: activty, above: 0.5}"),
            "line 6: interventions.0.who.trait: got 'activty', .*did you mean 'activity'",
        ),
        (
            "interventions:\n" + plan("at: 2, change: {drift: {size: 1}}, who: {trait: activity}"),
            "line 6: interventions.0: .*who: got trait or likes without above or below",
        ),
        (
            "interventions:\n" + plan(f"at: 0, until: 2, {SLOT}") + plan(f"at: 2, {SLOT}"),
            "line 7: interventions.1.name: got 'a' twice",
        ),
        (
            "interventions:\n" + plan(f"at: 0, {SLOT}") + plan(f"at: 2, {SLOT}", name="b"),
            "line 7: interventions.1.change.promote.slot: got a slot that 'a' is sold at the same time",
        ),
        ("intents: usal\n", "line 5: intents: got 'usal', expected usual, or settings by name"),
        ("intents: {}\n", "line 5: intents: got none, expected at least one"),
        ("actions: ususal\n", "line 5: actions: got 'ususal', expected usual, or settings by name"),
        (
            series("metric: events_per_user, event: purchas"),
            "line 7: measure.series.s0.event: got 'purchas', .*did you mean 'purchase'",
        ),
        (
            "actions: {save: {}}\n" + series("metric: events_per_user, event: purchase"),
            "line 8: measure.series.s0.event: got 'purchase', which never happens here, .*add actions: {purchase: {}}",
        ),
        (
            series("metric: events_per_user, event: friend_click"),
            "line 7: measure.series.s0.event: .*add social: {}",
        ),
        (series("metric: providers_left"), "line 7: measure.series.s0.metric: got providers_left without providers"),
        (
            series("metric: click_share") + "  contrasts: {c: {series: s0, window: [2, 9]}}\n",
            r"line 8: measure.contrasts.c.window: got \[2, 9\], expected days from 0 to 3",
        ),
        (
            series("metric: click_share, by: page") + "  contrasts: {c: {series: s0, before: [0, 20], window: [0, 19]}}\n",
            r"line 8: measure.contrasts.c.before: got \[0, 20\], expected pages from 0 to 19",
        ),
        (
            series("metric: click_share") + "  contrasts: {c: {series: s0, against: mf}}\n",
            "line 8: measure.contrasts.c.against: got 'mf' on both sides",
        ),
    ],
)
def test_what_does_not_fit_together_is_told_with_file_line_and_key(tmp_path, tail, words):
    path = tmp_path / "faults.yaml"
    path.write_text(HEAD + tail)
    with pytest.raises(ConfigError, match=words) as caught:
        load_scenario(str(path))
    assert str(path) in str(caught.value)


def test_a_clock_without_days_is_told_of_its_own_key(tmp_path):
    path = tmp_path / "faults.yaml"
    path.write_text(HEAD.replace("days: 4", "days: -1"))
    with pytest.raises(ConfigError, match=r"line 4: clock.days: got -1"):
        load_scenario(str(path))


@pytest.mark.parametrize("name", shipped_scenarios())
def test_shipped_scenarios_have_no_faults(name):
    load_scenario(name)


def test_slots_may_be_sold_one_after_the_other(tmp_path):
    path = tmp_path / "faults.yaml"
    path.write_text(HEAD + "interventions:\n" + plan(f"at: 0, until: 2, {SLOT}") + plan(f"at: 2, {SLOT}", name="b"))
    assert len(load_scenario(str(path)).interventions) == 2


def test_a_clock_that_somebody_shortens_says_what_never_happens(tmp_path):
    scenario = load_scenario("drift", {"clock.days": 5, "users.count": 20, "recommenders": ["linucb"], "seed": 1})
    folder = run(scenario, tmp_path / "run")
    (said,) = summarise(folder).warnings
    assert said.startswith(
        "interventions that never begin, as the run is over by then: in fashion (day 12), no more comedies ("
    )
    notes = {one.note for one in measure_findings(folder).contrasts}
    assert any(note.startswith("no number: the run has no day ") for note in notes)


def test_a_run_in_which_everything_happens_warns_of_nothing(tmp_path):
    plans = [{"name": "drift", "at": 5, "change": {"drift": {"size": 1.0}}}]
    folder = run(living(interventions=plans, recommenders=["popularity"]), tmp_path / "run")
    assert summarise(folder).warnings == ()


def test_no_release_may_leave_nothing_that_anybody_has_rated(tmp_path):
    plans = [{"name": "all", "at": 1, "change": {"release": {"items": {}}}}]
    with pytest.raises(ConfigError, match="interventions: got releases of every item that anybody has rated"):
        run(living(interventions=plans), tmp_path / "run")
    assert not (tmp_path / "run").exists()

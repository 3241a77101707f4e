"""The family of prompts that suits a model: measured, kept, chosen, and the same when a run goes on."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scripted_users import FakeModel, films, pages, people

from recsim_llm.agents.language.family_measure import measure_families, seconds_of_families
from recsim_llm.agents.language.language_parameters import AUTO, LanguageParameters
from recsim_llm.agents.language.language_users import LanguageUsers
from recsim_llm.agents.language.template_family import (
    STAND_IN,
    FamilyReport,
    choose_family,
    load_families,
    save_families,
    with_family,
)
from recsim_llm.cli.main import main
from recsim_llm.data import open_dataset
from recsim_llm.errors import BackendError, DataError, ModelReplyError
from recsim_llm.language import open_model
from recsim_llm.language.backends.scripted import Scripted, resolve_script
from recsim_llm.language.calls.model import LanguageModel
from recsim_llm.language.calls.recorded_answers import ReplayBackend
from recsim_llm.language.calls.store import CallStore
from recsim_llm.language.probing.probe import probe_backend
from recsim_llm.language.probing.probe_costs import WayCost
from recsim_llm.statistics import Estimate


class Real(Scripted):
    """A script under the name of a real model."""

    name = "transformers/real@0"

    def __init__(self):
        super().__init__(resolve_script("genres"))
        self.name = Real.name


def real(store=None, elicitation="decision", backend=None):
    return LanguageModel(backend or Real(), elicitation=elicitation, store=store)


def found(low, *, areas=("en", "en_compact"), model=Real.name):
    whole = Estimate(value=0.6, low=0.5, high=0.7, users=9)
    gap = Estimate(value=low + 0.1, low=low, high=low + 0.2, users=9) if len(areas) == 2 else None
    asked = {"users": 9, "users_asked": tuple(range(9))}
    return FamilyReport(model=model, data="invented", **asked, areas=dict.fromkeys(areas, whole), difference=gap, seconds=1.0)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("report", "family"),
    [
        (found(0.01), "en"),
        (found(-0.01), "en_compact"),
        (found(-0.3), "en_compact"),
        (found(0.2, areas=("en",)), "en"),
        (found(0.2, areas=("en_compact",)), "en_compact"),
        (found(0.2, areas=()), None),
    ],
)
def test_the_full_family_is_chosen_where_it_tells_more_beyond_doubt_or_alone_can_be_read(report, family):
    assert report.chosen == family
    assert FamilyReport.from_json(report.to_json()) == report


def test_what_was_measured_is_taken_by_name_and_address():
    save_families(found(0.01), "")
    with real() as model:
        assert choose_family(model, AUTO)[0] == "en"
        assert choose_family(model, AUTO)[1].startswith("AUC on invented, 9 users: en 0.60 [0.50, 0.70]")
        assert with_family(LanguageParameters(), model).templates == "en"
        assert choose_family(model, "en_compact") == ("en_compact", "named")
    assert load_families(Real.name, "http://127.0.0.1:1/v1") is None


@pytest.mark.parametrize(("elicitation", "family"), [("forced", "en_compact"), ("logprobs", "en")])
def test_without_a_measure_the_way_of_asking_decides(elicitation, family):
    with real(elicitation=elicitation) as model:
        assert choose_family(model, AUTO)[0] == family
        assert "nothing was measured" in choose_family(model, AUTO)[1]


def test_stand_ins_are_asked_in_full_whatever_was_measured():
    save_families(found(-0.3, model="scripted/genres"), "")
    with open_model("scripted/genres") as model:
        assert choose_family(model, AUTO) == ("en", STAND_IN)


def test_a_run_goes_on_in_the_words_that_it_began_in(tmp_path):
    save_families(found(0.01), "")
    store = CallStore(tmp_path / "calls.sqlite")
    with real(store) as model:
        users = LanguageUsers(films(), people(), model, parameters=LanguageParameters(), seed=1)
        assert users.parameters.templates == users.provenance["family"]["name"] == "en"
        assert not (tmp_path / "calls.sqlite").exists()
        users.allocate(1, 5)
        users.begin(slice(None), np.arange(1), False)
        users.decide(pages([[0, 1, 2, 3, 4]]))
        begun = users.provenance
    save_families(found(-0.3), "")
    with real() as fresh:
        assert choose_family(fresh, AUTO)[0] == "en_compact"
    for backend in (Real(), ReplayBackend(tmp_path / "calls.sqlite")):
        store = CallStore(tmp_path / "calls.sqlite") if isinstance(backend, Real) else None
        with real(store, backend=backend) as again:
            resumed = LanguageUsers(films(), people(), again, parameters=LanguageParameters(), seed=1)
            assert resumed.provenance == begun


def test_a_damaged_report_is_refused_with_its_file(tmp_path):
    save_families(found(0.01), "")
    (kept,) = (tmp_path / "cache").rglob("*.families.json")
    kept.write_text("{}")
    with pytest.raises(DataError, match=r"families\.json: got .*remove the file and probe again"):
        load_families(Real.name, "")


def test_a_report_of_an_earlier_release_is_as_good_as_none(tmp_path):
    save_families(found(0.01), "")
    (kept,) = (tmp_path / "cache").rglob("*.families.json")
    kept.write_text(kept.read_text().replace('"format": 2', '"format": 1'))
    assert load_families(Real.name, "") is None


def test_measuring_asks_as_many_users_as_the_time_allows_and_keeps_what_was_found():
    ticks = iter([0.0, 10.0, 15.0])
    with open_model("scripted/genres") as model:
        report = measure_families(model, open_dataset("fictional"), seed=3, seconds=20.0, clock=lambda: next(ticks))
        assert load_families(model.name, "") == report
    assert (report.users, report.seconds) == (16, 15.0)
    assert len(report.users_asked) >= 16
    assert set(report.users_asked) <= set(open_dataset("fictional").ratings.users.tolist())
    # The stand-in reads genres and tastes, which both families tell.
    assert all(area.value > 0.6 for area in report.areas.values())
    assert report.chosen == "en_compact"
    assert [row[0] for row in report.rows()] == ["taste, en", "taste, en_compact", "templates"]


def a_page_takes(seconds):
    """A probe after which a page of ten items takes so long."""
    report = asyncio.run(probe_backend(Real()))
    way = report.abilities.elicitations[0]
    return replace(report, costs={way: WayCost(calls=1, read=1, cached=0, written=1, seconds=seconds)})


def given(report, settings):
    return report


def test_how_long_families_take_follows_from_a_page_of_each_user_and_family():
    assert seconds_of_families(a_page_takes(0.5)) == 8.0
    assert seconds_of_families(a_page_takes(None)) is None


def test_a_probe_leaves_out_what_would_take_longer_than_a_minute_and_says_so(monkeypatch, tmp_path, capsys):
    kept = tmp_path / "probe.json"
    for seconds, asked in ((30.0, False), (0.01, True)):
        monkeypatch.setattr("recsim_llm.language.providers.probe_model", partial(given, a_page_takes(seconds)))
        assert main(["probe", "scripted/genres", "--json", str(kept)]) == 0
        assert (json.loads(kept.read_text())["families"] is not None) is asked
        assert ("not measured" in " ".join(capsys.readouterr().out.split())) is not asked


def test_a_server_that_is_gone_is_no_finding_about_families(monkeypatch):
    def measure(dataset, candidates, **asked):
        if len(candidates) == 2:
            raise ModelReplyError("nothing could be read")
        raise BackendError("connection", "gone", retryable=True)

    monkeypatch.setattr("recsim_llm.agents.language.family_measure.measure_taste", measure)
    with open_model("scripted/genres") as model:
        with pytest.raises(BackendError, match="gone"):
            measure_families(model, open_dataset("fictional"), seed=3)
        assert load_families(model.name, "") is None


def test_users_without_a_named_model_of_their_own_are_told_the_full_family():
    users = LanguageUsers(films(), people(), FakeModel(), parameters=LanguageParameters(), seed=1)
    assert users.provenance["family"] == {"name": "en", "why": STAND_IN}

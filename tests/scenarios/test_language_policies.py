"""Language policies the whole way: a run, what it tells of their counts, a stop and a resume, tastes that users state."""

import json
from typing import ClassVar

import gymnasium
import numpy as np
import pyarrow.parquet as pq
import pytest

from recsim_llm.data import open_dataset
from recsim_llm.errors import BudgetExceeded, ConfigError
from recsim_llm.log.tables import COUNTS
from recsim_llm.population.from_ratings import population_from_ratings
from recsim_llm.population.persona_text import state_tastes, taste_words
from recsim_llm.recommenders import Popularity
from recsim_llm.report import write_report
from recsim_llm.scenarios import load_scenario, resume, run

SETTINGS = {
    "users.count": 8,
    "max_pages": 2,
    "slate_size": 4,
    "seed": 3,
    "recommenders": [
        "popularity",
        {"name": "language-generator", "settings": {"base": "popularity"}},
        {"name": "chat", "settings": {"base": "popularity"}},
        {"name": "pairs", "recommender": "language", "settings": {"base": "popularity", "ask": "pairs", "candidates": 6}},
        {"name": "list", "recommender": "language", "settings": {"base": "popularity", "ask": "written_list"}},
    ],
    "models": {"policy": "scripted/recommender"},
}


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    return run(load_scenario("demo", SETTINGS), tmp_path_factory.mktemp("runs") / "played")


def outcome(folder):
    paths = [*folder.glob("*/*.parquet"), folder / "counts.parquet"]
    return {path.relative_to(folder): path.read_bytes() for path in sorted(paths)}


def test_what_was_counted_is_in_the_folder_by_user(played):
    table = pq.read_table(played / "counts.parquet")
    assert table.schema.equals(COUNTS)
    rows = table.to_pylist()
    assert {row["arm"] for row in rows} == {"language-generator", "chat", "pairs", "list"}
    written = [row for row in rows if row["what"] == "titles that the catalog does not have"]
    assert len(written) == 8
    assert {row["cases"] for row in written} == {8}


def test_the_report_tells_counts_with_intervals(played):
    page = write_report(played).read_text(encoding="utf-8")
    assert "What recommenders counted" in page
    assert "titles that the catalog does not have" in page
    told = json.loads((played / "metrics.json").read_text())["recommender_counts"]
    (invalid,) = [row for row in told if row["what"] == "titles that the catalog does not have"]
    assert invalid["cases"] == 64
    assert invalid["estimate"]["low"] < invalid["estimate"]["value"] <= invalid["estimate"]["high"]
    assert invalid["estimate"]["users"] == 8


def test_runs_without_counts_have_neither_table_nor_section(tmp_path):
    folder = run(load_scenario("demo", SETTINGS | {"recommenders": ["popularity"], "models": {}}), tmp_path / "plain")
    page = write_report(folder).read_text(encoding="utf-8")
    assert not (folder / "counts.parquet").exists()
    assert "What recommenders counted" not in page
    assert "recommender_counts" not in json.loads((folder / "metrics.json").read_text())


def test_a_run_that_was_stopped_resumes_to_the_same_log_and_counts(played, tmp_path):
    out = tmp_path / "short"
    with pytest.raises(BudgetExceeded):
        run(load_scenario("demo", SETTINGS | {"limits.calls": 20}), out)
    for most in (60, 110):
        with pytest.raises(BudgetExceeded):
            resume(out, limits={"calls": most})
    resume(out, limits={"calls": 10_000})
    assert outcome(out) == outcome(played)


def test_arms_of_free_running_users_end_alike_and_count_alike(tmp_path):
    first, second = (
        run(
            load_scenario("demo", SETTINGS | {"barrier": "visit", "recommenders": SETTINGS["recommenders"][1:3]}),
            tmp_path / name,
        )
        for name in "ab"
    )
    assert outcome(first) == outcome(second)


class Listening(Popularity):
    heard: ClassVar[list] = []

    def recommend(self, requests, k):
        Listening.heard.append(requests)
        return super().recommend(requests, k)


def listen(tmp_path, **changes):
    Listening.heard = []
    recommender = f"{__name__}:Listening"
    run(load_scenario("demo", SETTINGS | {"models": {}, "recommenders": [recommender]} | changes), tmp_path / "heard")
    return Listening.heard


def test_nobody_says_anything_unless_the_scenario_lets_them(tmp_path):
    assert {requests.text is None for requests in listen(tmp_path)} == {True}


def test_users_state_their_tastes_on_the_first_page_of_the_first_visit_alone(tmp_path):
    dataset = open_dataset("fictional")
    people = population_from_ratings(dataset.ratings, dataset.catalog, dataset.demographics)
    place = {user_id: row for row, user_id in enumerate(people.user_id.tolist())}
    heard = listen(tmp_path, stated_tastes=True, visits=2)
    assert {int(requests.visit.max()) for requests in heard} == {0, 1}
    for requests in heard:
        for user_id, visit, page, text in zip(requests.user_id, requests.visit, requests.page, requests.text, strict=True):
            stated = state_tastes(people.persona(place[int(user_id)]))
            assert text == (stated if visit == page == 0 else "")


def test_what_is_stated_are_tastes_and_nothing_else_of_a_persona():
    dataset = open_dataset("fictional")
    people = population_from_ratings(dataset.ratings, dataset.catalog, dataset.demographics)
    for user in range(50):
        persona = people.persona(user)
        named = [genre for genres in taste_words(persona) for genre in genres]
        text = state_tastes(persona)
        for genre in sorted(named, key=len, reverse=True):
            assert genre in text
            text = text.replace(genre, "")
        assert set(text.replace(",", " ").replace(".", " ").split()) <= {
            "I",
            "love",
            "also",
            "like",
            "seldom",
            "choose",
            "and",
            "or",
        }


def test_stated_tastes_reach_the_prompt_of_a_language_policy_and_its_pages(tmp_path):
    arms = [{"name": "chat", "settings": {"base": "popularity", "explain": "template"}}]
    folders = [
        run(load_scenario("demo", SETTINGS | {"recommenders": arms, "stated_tastes": said}), tmp_path / str(said))
        for said in (False, True)
    ]
    silent, told = (pq.read_table(sorted(folder.glob("impressions/*.parquet"))[0]).to_pylist() for folder in folders)
    assert [row["item_id"] for row in silent] != [row["item_id"] for row in told]
    manifests = [json.loads((folder / "manifest.json").read_text())["settings"] for folder in folders]
    assert "stated_tastes" not in manifests[0]
    assert manifests[1]["stated_tastes"] is True


def test_environments_refuse_users_who_speak_first():
    silent = {key: value for key, value in SETTINGS.items() if not key.startswith("models")}
    with pytest.raises(ConfigError, match="stated_tastes"):
        gymnasium.make("RecSimLLM/Browse-v0", scenario=load_scenario("demo", silent | {"stated_tastes": True}))


def test_counts_are_numbers_by_user(played):
    rows = pq.read_table(played / "counts.parquet").to_pylist()
    assert all(np.isfinite(row["amount"]) and row["cases"] > 0 for row in rows)

"""Clicks and purchases: nobody gives a star, and nothing that needs stars is told."""

import re
import sqlite3
from contextlib import closing

import gymnasium
import numpy as np
import pyarrow.parquet as pq
import pytest
from own_ids import loaded, make_shop, run_shop

from recsim_llm.agents.worlds import cascade_world, choice_world, language_world
from recsim_llm.comparison import Judging, summarise
from recsim_llm.envs.rewards import Rating
from recsim_llm.errors import ConfigError, LogError
from recsim_llm.language import open_model
from recsim_llm.metrics import measure_run
from recsim_llm.report import read_speech, write_report
from recsim_llm.scenarios import load_scenario
from recsim_llm.scenarios.compare import compare, compare_again
from recsim_llm.scenarios.export import export
from recsim_llm.scenarios.speech import speak

SHOP = make_shop(feedback="implicit")
STARS = re.compile(r"[^.>]*\b(?:stars?|mean rating|likes?|liked|half a star)\b[^.<]*", re.IGNORECASE)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    recommenders = ["random", "popularity", "mf"]
    return run_shop(SHOP, tmp_path_factory.mktemp("implicit") / "run", recommenders=recommenders, slate_size=4, max_pages=4)


def told(html):
    """Return what a page says, without style and the outlines of figures."""
    return re.sub(r"<style.*?</style>|<svg.*?</svg>", "", html, flags=re.DOTALL)


def test_the_log_has_clicks_and_no_rating(run):
    table = pq.read_table(run / "impressions")
    assert sum(table["clicked"].to_pylist()) > 5
    assert table["rating"].null_count == table["liked"].null_count == len(table)


def test_the_report_tells_nothing_of_stars_and_says_why(run):
    page = told(write_report(run).read_text(encoding="utf-8"))
    assert STARS.findall(page) == []
    assert "Users click or buy and give no ratings: whatever needs ratings is left out." in page
    assert "Relevance" in page
    assert not list((run / "figures").glob("ratings*"))


def test_the_report_of_stars_is_as_it_was(tmp_path):
    folder = run_shop(make_shop(), tmp_path / "run", slate_size=4)
    page = told(write_report(folder).read_text(encoding="utf-8"))
    assert {"Mean rating (stars)", "Liked, of rated"} <= set(re.findall(r"Mean rating \(stars\)|Liked, of rated", page))
    assert (folder / "figures" / "ratings.png").is_file()
    assert summarise(folder).rated


def test_what_was_taken_later_is_the_truth_of_relevance(run):
    metrics = measure_run(run)
    assert (metrics.truth, metrics.truth_users) == ("choices", 12)
    assert metrics.arm("popularity").metrics["ndcg"].estimate.value > 0
    assert pq.read_table(run / "held_out.parquet")["rating"].null_count == 12


def test_a_comparison_leaves_metrics_of_ratings_out(tmp_path):
    settings = {"data": "shop", "recommenders": ["random", "mf"], "slate_size": 4, "max_pages": 3, "seed": 1}
    with loaded(SHOP):
        found = compare(load_scenario("demo", settings | {"users.parameters": {"click_bias": 2.0}}), tmp_path / "run")
        asked = compare_again(tmp_path / "run", Judging(metrics=("mean_rating",)))
    assert [metric.key for metric in found.metrics] == [
        "clicks_per_user",
        "mean_satisfaction",
        "pages_per_visit",
        "watch_share",
    ]
    assert "Nobody gave a rating, so that nothing about ratings is compared." in found.notes
    assert (
        asked.verdict[0] == "Not assessed between mf and random in mean rating, which is undefined for one of them or for both."
    )


class _Scripted:
    def __init__(self, model):
        self._model = model

    def role(self, name):
        assert name == "user"
        return self._model


@pytest.mark.parametrize("build", [choice_world, language_world, cascade_world])
def test_no_kind_of_user_rates(build, tmp_path):
    with open_model("scripted/genres") as model:
        more = {} if build is choice_world else {"models": _Scripted(model)}
        world = build(SHOP, seed=3, **more)
        env = gymnasium.make_vec(
            "RecSimLLM/Browse-v0",
            num_envs=12,
            catalog=world.catalog,
            population=world.population,
            users=world.users,
            slate_size=12,
            max_pages=2,
            log=tmp_path / "run",
        )
        env.reset(seed=1)
        for _ in range(4):
            env.step(np.tile(np.arange(12), (12, 1)))
        env.close()
    table = pq.read_table(tmp_path / "run" / "impressions")
    assert sum(table["clicked"].to_pylist()) > 0
    assert table["rating"].null_count == len(table)


def test_noise_on_top_brings_no_rating_back(tmp_path):
    folder = run_shop(SHOP, tmp_path / "run", **{"users.noise": {"random_clicks": 0.1}})
    table = pq.read_table(folder / "impressions")
    assert sum(table["clicked"].to_pylist()) > 5
    assert table["rating"].null_count == len(table)


def test_a_reward_of_stars_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"got 'rating' for users of clicks or purchases.*--reward clicks"):
        run_shop(SHOP, tmp_path / "run", reward="rating")
    assert not (tmp_path / "run").exists()
    assert run_shop(SHOP, tmp_path / "run", reward="clicks", max_pages=1).is_dir()


@pytest.mark.parametrize("reward", ["rating", Rating(neutral=2.0)])
def test_an_environment_refuses_a_reward_of_stars_too(reward):
    world = choice_world(SHOP, seed=3)
    parts = {"catalog": world.catalog, "population": world.population, "users": world.users, "slate_size": 3}
    with pytest.raises(ConfigError, match=r"got 'rating' for users of clicks or purchases.*reward='clicks'"):
        gymnasium.make("RecSimLLM/Browse-v0", reward=reward, **parts)
    gymnasium.make("RecSimLLM/Browse-v0", reward="clicks", **parts).close()


def test_exports_of_stars_are_left_out_or_refused(run, tmp_path):
    with loaded(make_shop(feedback="implicit")):
        content = export(run, "dialogues", tmp_path / "words", arm="mf")
        assert content["arms"]["mf"]["dialogues"] == 12
        with pytest.raises(ConfigError, match=r"a run of clicks or purchases without stars, expected .* export recbole"):
            export(run, "movielens", tmp_path / "tables")
    assert "star" not in (tmp_path / "words" / "mf" / "instructions.jsonl").read_text(encoding="utf-8")


def test_a_language_model_is_told_nothing_of_the_users_stars(tmp_path):
    model = {"users.model": "language", "models.user.name": "scripted/genres", "users.count": 3, "users.parameters": {}}
    folder = run_shop(SHOP, tmp_path / "run", max_pages=1, slate_size=3, **model)
    with closing(sqlite3.connect(folder / "calls.sqlite")) as calls:
        tables = [name for (name,) in calls.execute("select name from sqlite_master where type = 'table'")]
        told = " ".join(str(row) for name in tables for row in calls.execute(f"select * from {name}"))
    assert "You take something" in told
    assert "On average you give" not in told
    with loaded(SHOP):
        speak(folder, reviews=0, reasons=2, interviews=0)
    assert {row["user_key"] for row in read_speech(folder).examples} <= set(SHOP.user_keys.values())
    with loaded(SHOP), pytest.raises(LogError, match="pass --reviews 0, since users of clicks and purchases give no stars"):
        speak(folder, reviews=2, reasons=0, interviews=0)

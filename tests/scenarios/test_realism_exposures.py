"""``recsim-llm realism --exposures``: a log with ratings and without, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from chosen_ratings import plant
from planted_sessions import PlantedUsers, planted_log
from real_data import shared_folder
from small_tables import GENRES, SmallTable, write_small_table

from recsim_llm.cli.main import main
from recsim_llm.core.exposures import Exposures
from recsim_llm.data import fictional, open_dataset
from recsim_llm.population.personas import TRAITS, Population
from recsim_llm.population.world import World
from recsim_llm.scenarios.card_browsers import behaving_choice_world, world_browsers


def write(log, path, **names):
    columns = {name: getattr(log, name) for name in ("user_id", "session", "page", "position", "item_id", "clicked", "dwell")}
    pq.write_table(pa.table({names.get(name, name): column for name, column in columns.items() if column is not None}), path)
    return path


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    return write(planted_log(80), tmp_path_factory.mktemp("log") / "impressions.parquet")


def made(folder):
    return json.loads((folder / "realism.json").read_text())


def test_a_log_alone_makes_the_behaviour_part(planted, tmp_path):
    asked = ["realism", "--exposures", str(planted), "--seeds", "2", "--seed", "1", "--out", str(tmp_path / "card"), "--quiet"]
    assert main(asked) == 0
    card = made(tmp_path / "card")
    assert [line["number"] for line in card["lines"]] == [5, 13]
    assert (card["name"], card["seeds"]) == ("user-browsing users", [1, 2])
    depth = {row["name"]: row["value"] for row in card["lines"][0]["measures"][0]["rows"]}
    assert depth["user-browsing users"] < depth["same rate"] / 2
    assert "--exposures" in card["made"]["Command"]
    assert "--data" not in card["made"]["Command"]
    assert (tmp_path / "card" / "figures" / "exit_hazard.png").is_file()
    later = next(m for m in card["lines"][1]["measures"] if m["name"] == "answers that hang on later pages")
    assert later["rows"][0]["value"] == 0


def test_other_users_come_by_name_or_by_dotted_path_and_columns_by_theirs(tmp_path):
    path = write(planted_log(40), tmp_path / "log.parquet", item_id="doc")
    asked = ["realism", "--exposures", str(path), "--column", "item_id=doc", "--seeds", "1", "--seed", "1", "--quiet"]
    assert main([*asked, "--users", "cascade", "--out", str(tmp_path / "one")]) == 0
    assert made(tmp_path / "one")["name"] == "cascade users"
    assert main([*asked, "--users", "planted_sessions:PlantedFactory", "--out", str(tmp_path / "two")]) == 0
    assert made(tmp_path / "two")["lines"][0]["measures"][0]["rows"][0]["value"] is not None


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ([], "got no data, expected --data RATINGS, --exposures LOG, or both"),
        (["--exposures", "LOG", "--users", "nonesuch"], "got nonesuch users and a log without ratings"),
        (["--exposures", "LOG", "--calibration", "fit"], "--calibration: got it for a log without ratings"),
        (["--exposures", "LOG", "--constant-rating", "4"], "--constant-rating: got it for a log"),
        (["--exposures", "nowhere.parquet"], "nowhere.parquet"),
        (["--data", "fictional", "--random-exposures", "nowhere.parquet"], "got 'nowhere.parquet', expected a file or folder"),
        (["--exposures", "LOG", "--data", "fictional", "--users", "replay"], "got replay users, who can only repeat"),
        (["--exposures", "LOG", "--random-exposures", "LOG"], "--random-exposures: got it without ratings that people chose"),
        (
            ["--exposures", "LOG", "--data", "fictional", "--users", "language", "--model", "scripted"],
            "and users whom a language model plays, expected users whom pages cost no calls",
        ),
        (["--data", "shop", "--random-exposures", "LOG"], "--random-exposures: got shop, which has no stars"),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_line(planted, tmp_path, capsys, asked, words):
    given = [str(planted) if word == "LOG" else word for word in asked]
    assert main(["realism", *given, "--out", str(tmp_path / "card"), "--quiet"]) == 2
    told = capsys.readouterr().err
    assert words in told
    assert told.count("\n") == 1
    assert not (tmp_path / "card" / "realism.json").exists()


def own_log(dataset):
    """Return what the users of ratings were shown, in an order of its own."""
    users = dataset.ratings.users
    user, page, slot = (axis.reshape(-1) for axis in np.indices((len(users), 3, 5)))
    items = np.random.default_rng(2).random((len(users) * 3, len(dataset.catalog))).argsort(axis=1)[:, :5].reshape(-1)
    shown = Exposures(
        name="own",
        user_id=users[user],
        session=user,
        page=page,
        position=slot,
        item_id=dataset.catalog.item_id[items],
        clicked=np.zeros(len(slot), np.bool_),
    )
    done = PlantedUsers().browse(shown, 1)
    return Exposures(
        name="own",
        user_id=shown.user_id,
        session=shown.session,
        page=shown.page,
        position=shown.position,
        item_id=shown.item_id,
        clicked=done.clicked,
    )


def test_users_are_fitted_without_ratings_that_held_out_users_were_shown():
    dataset = fictional.load(n_users=30)
    log = own_log(dataset)
    fitted = []
    training = log.of_users(log.users[:20])

    def build(known, given):
        fitted.append(known)
        assert given is training
        return World(known.catalog, choice_people(known), None)

    world_browsers(build, dataset, log)(training)
    known = set(zip(fitted[0].ratings.user_id.tolist(), fitted[0].ratings.item_id.tolist(), strict=True))
    held_out = ~np.isin(log.user_id, training.users)
    shown = set(zip(log.user_id[held_out].tolist(), log.item_id[held_out].tolist(), strict=True))
    assert not known & shown
    rated = set(zip(dataset.ratings.user_id.tolist(), dataset.ratings.item_id.tolist(), strict=True))
    assert known == rated - shown
    assert rated & shown


def choice_people(dataset):
    """Return users without tastes."""
    users = dataset.ratings.users
    return Population(
        user_id=users,
        traits=np.ones((len(users), len(TRAITS)), np.float32),
        genre_names=("any",),
        taste=np.zeros((len(users), 1), np.float32),
    )


@pytest.mark.slow
def test_choice_users_are_put_before_the_pages_of_their_own_log(tmp_path):
    data = write_small_table(tmp_path / "data", SmallTable(60, 80, genres=GENRES[2]))
    path = write(own_log(open_dataset(str(data))), tmp_path / "log.parquet")
    asked = ["realism", "--data", str(data), "--exposures", str(path), "--seeds", "1", "--seed", "1", "--quiet"]
    assert main([*asked, "--out", str(tmp_path / "card")]) == 0
    card = made(tmp_path / "card")
    assert [line["number"] for line in card["lines"]] == list(range(1, 14))
    # Nobody has ratings enough for pages of held-out favourites.
    assert [line["number"] for line in card["lines"] if line["not_assessed"]] == [1, 2, 8]
    assert card["behaviour"]["headlines"][0]["value"] is not None


@pytest.mark.slow
def test_a_user_browsing_model_browses_held_out_search_sessions_as_people_do(tmp_path):
    folder = shared_folder("trec-session-2014")
    assert main(["realism", "--exposures", str(folder), "--seed", "1", "--out", str(tmp_path / "card"), "--quiet"]) == 0
    measures = {measure["name"]: measure["rows"][0]["value"] for measure in made(tmp_path / "card")["lines"][0]["measures"]}
    assert measures["click depth, Jensen-Shannon distance"] <= 0.09
    assert measures["ranks inside the real 95% interval"] == 1.0
    assert measures["session length, Wasserstein-1"] <= 0.23


def test_choice_users_of_a_card_leave_and_look_as_the_training_part_of_the_log_tells():
    dataset = fictional.load(n_users=30)
    world = behaving_choice_world(dataset, planted_log(80), slots=14, seed=1)
    parameters = world.users.model.parameters
    table = parameters.examination_table
    assert len(parameters.position_curve if table is None else table) == 14
    assert parameters.leave_by_page is not None


def chosen_and_shown(folder):
    """Write ratings that people chose to give, and ratings of what they were shown at random; return the planted truth."""
    planted = plant()
    ratings, names = planted.chosen.ratings, planted.chosen.catalog
    folder.mkdir()
    columns = {"user_id": ratings.user_id, "item_id": ratings.item_id, "rating": ratings.rating}
    pq.write_table(pa.table(columns), folder / "interactions.parquet")
    items = {"item_id": names.item_id, "title": names.title, "genres": [names.genres_of(at)[0] for at in range(len(names))]}
    pq.write_table(pa.table({name: list(column) for name, column in items.items()}), folder / "items.parquet")
    shown = planted.shown
    log = {name: getattr(shown, name) for name in ("user_id", "session", "page", "item_id", "clicked", "rating")}
    pq.write_table(pa.table(log), folder.parent / "random.parquet")
    return planted


def test_stars_of_randomly_shown_items_stand_on_the_card(tmp_path):
    planted = chosen_and_shown(tmp_path / "ratings")
    asked = ["realism", "--data", str(tmp_path / "ratings"), "--random-exposures", str(tmp_path / "random.parquet")]
    assert main([*asked, "--seeds", "1", "--seed", "1", "--split", "random", "--quiet", "--out", str(tmp_path / "card")]) == 0
    card = made(tmp_path / "card")
    line = next(line for line in card["lines"] if line["number"] == 5)
    assert line["not_assessed"] is None
    error, distance = ({row["name"]: row["value"] for row in measure["rows"]} for measure in line["measures"][:2])
    assert [measure["name"].split(", ")[1] for measure in line["measures"]] == ["mean error", "Wasserstein-1", "RMSE"]
    assert error["choice users, doubly robust"] < error["choice users"] < error["training histogram"]
    assert distance["choice users, doubly robust"] < distance["training histogram"]
    assert f"by {len(planted.shown.users)} users" in line["protocol"]
    assert "--random-exposures" in card["made"]["Command"]
    assert "randomly shown items, mean error" in (tmp_path / "card" / "realism.html").read_text()


@pytest.mark.slow
def test_the_random_part_of_coat_stands_on_its_card_and_robust_users_are_near_it(tmp_path):
    folder = str(shared_folder("coat"))
    asked = ["realism", "--data", folder, "--exposures", folder, "--seeds", "1", "--seed", "1", "--quiet"]
    assert main([*asked, "--out", str(tmp_path / "card")]) == 0
    line = next(line for line in made(tmp_path / "card")["lines"] if line["number"] == 5)
    error, distance = ({row["name"]: row for row in measure["rows"]} for measure in line["measures"][:2])
    assert error["choice users, doubly robust"]["value"] <= 0.05
    assert distance["choice users, doubly robust"]["value"] <= 0.10
    assert error["choice users"]["low"] > 0.2
    assert "everything that was shown was clicked" in line["protocol"]


@pytest.mark.slow
def test_choice_users_leave_and_stay_on_held_out_news_pages_as_readers_do(tmp_path):
    asked = ["realism", "--exposures", str(shared_folder("ebnerd-sample")), "--users", "choice", "--seed", "1", "--quiet"]
    assert main([*asked, "--out", str(tmp_path / "card")]) == 0
    measures = {measure["name"]: measure["rows"][0]["value"] for measure in made(tmp_path / "card")["lines"][0]["measures"]}
    hazards = [measures[f"exit hazard after page {page}"] for page in range(1, 6)]
    np.testing.assert_allclose(hazards, [0.49, 0.48, 0.45, 0.41, 0.44], atol=0.05)
    dwell = [measures[f"dwell time, {share} quantile"] for share in ("25%", "50%", "75%")]
    np.testing.assert_allclose(dwell, [6, 23, 65], rtol=0.15)

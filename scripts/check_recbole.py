"""Let RecBole itself read what `recsim-llm export RUN recbole` writes, and compare every field with the run's log.

    python scripts/check_recbole.py                        # makes build/recbole-venv the first time, some 5 GB
    python scripts/check_recbole.py --environment FOLDER   # another place for RecBole's environment

RecBole 1.2.1 needs NumPy below 1.24 and pandas below 2, so it lives in an environment of its own, and this script runs
twice: with this project's interpreter it serves users, exports and compares; with RecBole's it reads (``--read``). The ids of
the shop are as awkward as ids get. Run it by hand after a change of the exporter; it ends with status 1 where a field differs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("recbole==1.2.1", "torch==2.2.2", "numpy<1.24", "pandas<2")
ITEM_KEYS = (
    "0007",
    "7",
    "SKU-MUG",
    "a,b",
    'say "hi"',
    "Ünï ☕",
    "tab\there",
    "line\nbreak",
    "a\r\nb",
    "1e3",
    " padded ",
    "x|y",
)
USER_KEYS = ("0001", "1", "C-2", "o'neil", 'q"q', "ü", "t\tt", "n\nn", "-1", "1.0", "#3", "a;b")
FIELDS = {
    "clicks": ["user_id", "item_id", "label", "timestamp", "visit", "page", "position"],
    "ratings": ["user_id", "item_id", "rating", "timestamp"],
}
TOKENS = ("user_id", "item_id")


def main() -> int:
    """Read or compare, as the arguments say, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--environment", type=Path, default=ROOT / "build" / "recbole-venv", help="folder of RecBole's environment"
    )
    parser.add_argument("--read", type=Path, help="exported folder to read; only in RecBole's environment")
    options = parser.parse_args()
    if options.read is not None:
        sys.stdout.write(json.dumps(read(options.read)))
        return 0
    interpreter = options.environment / "bin" / "python"
    if not interpreter.exists():
        venv.create(options.environment, with_pip=True)
        subprocess.run([interpreter, "-m", "pip", "install", "-q", *PACKAGES], check=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        expected = export_shop(folder)
        command = [interpreter.absolute(), Path(__file__).resolve(), "--read", folder / "sets" / "policy"]
        done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, check=True)
    found = json.loads(done.stdout.decode().splitlines()[-1])
    return compare(expected, found)


def export_shop(folder: Path) -> dict[str, Any]:
    """Serve users of a shop at random, export the log, and return what RecBole shall find, from the log."""
    import gymnasium
    import numpy as np

    from recsim_llm.agents import choice_world
    from recsim_llm.core.catalog import Catalog
    from recsim_llm.core.ratings import Dataset, Ratings
    from recsim_llm.scenarios.export import export

    random = np.random.default_rng(1)
    item_id, user_id = np.arange(len(ITEM_KEYS)) + 10, np.arange(len(USER_KEYS)) + 100
    user, item = np.repeat(user_id, 7), np.concatenate([random.permutation(item_id)[:7] for _ in user_id])
    stars = random.integers(1, 6, len(user)).astype(np.float32)
    genres = [["Home Office"], ["Garden"], ["Home Office", "Light"]] * 4
    catalog = Catalog.from_columns(
        item_id=item_id, title=[f"thing {key}" for key in item_id], genres=genres, item_key=ITEM_KEYS
    )
    ratings = Ratings(user_id=user, item_id=item, rating=stars, timestamp=np.arange(len(user)) * 1000)
    keys = dict(zip(user_id.tolist(), USER_KEYS, strict=True))
    world = choice_world(
        Dataset(name="shop", catalog=catalog, ratings=ratings, user_keys=keys),
        parameters={"click_bias": 2.0, "repeat": 0.0},
        seed=1,
    )
    env = gymnasium.make_vec(
        "RecSimLLM/Browse-v0",
        num_envs=12,
        catalog=world.catalog,
        population=world.population,
        users=world.users,
        slate_size=4,
        max_pages=5,
        log=folder / "run",
    )
    env.reset(seed=3)
    for _ in range(200):
        env.step(np.array([random.permutation(12)[:4] for _ in range(12)]))
    env.close()
    export(folder / "run", "recbole", folder / "sets", world=world)
    return expected_of(folder / "run")


def expected_of(run: Path) -> dict[str, Any]:
    """Return the rows of the log as RecBole shall find them, without the times, which the log has not."""
    import numpy as np

    from recsim_llm.log import open_run

    names = ["user_key", "item_key", "clicked", "rating", "visit", "page", "position", "user_id"]
    log = open_run(run).columns("impressions", names)
    order = np.lexsort([log[name] for name in ("position", "page", "visit", "user_id")])
    log = {name: column[order] for name, column in log.items()}
    clicks = zip(
        *(log[name].tolist() for name in ("user_key", "item_key", "clicked", "visit", "page", "position")), strict=True
    )
    rated = ~np.isnan(log["rating"])
    stars = zip(*(log[name][rated].tolist() for name in ("user_key", "item_key", "rating")), strict=True)
    return {
        "clicks": [[user, item, float(clicked), *map(float, where)] for user, item, clicked, *where in clicks],
        "ratings": [list(row) for row in stars],
        "items": sorted(ITEM_KEYS),
    }


def read(folder: Path) -> dict[str, Any]:
    """Return what RecBole makes of both data sets; runs in RecBole's environment."""
    from recbole.config import Config
    from recbole.data import create_dataset

    sys.argv = sys.argv[:1]
    found: dict[str, Any] = {}
    for kind, fields in FIELDS.items():
        columns = {"inter": fields, "item": ["item_id", "title", "release_year", "genres"], "user": ["user_id"]}
        settings = {"data_path": str(folder), "load_col": columns, "normalize_all": False, "state": "ERROR"}
        name = f"{folder.name}-{kind}"
        data = create_dataset(Config(model="BPR", dataset=name, config_dict=settings))
        rows = [
            data.id2token(field, data.inter_feat[field]).tolist() if field in TOKENS else data.inter_feat[field].tolist()
            for field in fields
        ]
        found[kind] = [list(row) for row in zip(*rows, strict=True)]
        found["items"] = sorted(data.id2token("item_id", data.item_feat["item_id"]).tolist()[1:])
    return found


def compare(expected: dict[str, Any], found: dict[str, Any]) -> int:
    """Print what was compared, and return 1 where a field differs."""
    time = FIELDS["clicks"].index("timestamp")
    times = [row.pop(time) for row in found["clicks"]]
    for row in found["ratings"]:
        row.pop(FIELDS["ratings"].index("timestamp"))
    by_user: dict[str, list[float]] = {}
    for row, when in zip(found["clicks"], times, strict=True):
        by_user.setdefault(row[0], []).append(when)
    checks = {
        f"{len(expected['clicks']):,} slots shown: user, item, label, visit, page, position": found["clicks"]
        == expected["clicks"],
        f"{len(expected['ratings']):,} ratings: user, item, stars": found["ratings"] == expected["ratings"],
        f"{len(expected['items'])} items of the catalog": found["items"] == expected["items"],
        "times rise within each user": all(rows == sorted(set(rows)) for rows in by_user.values()),
        f"{len(by_user)} users by their own ids": set(by_user) == set(USER_KEYS),
    }
    for what, same in checks.items():
        sys.stdout.write(f"{'same     ' if same else 'DIFFERENT'}  {what}\n")
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main())

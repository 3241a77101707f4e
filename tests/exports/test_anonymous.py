"""Anonymous exports: no id, no demographic value, no order and no seed of the users is left."""

import io
import zipfile

import numpy as np
import pytest
from export_runs import DEMOGRAPHICS, FIRST_ID, STEP, make_run
from hypothesis import given, settings
from hypothesis import strategies as st
from talking_runs import TALK_FORMATS, make_talks

from recsim_llm.errors import LogError
from recsim_llm.exports import Identities, load_bandit_feedback
from recsim_llm.scenarios.export import FORMATS, export

SEED = 982_451_653
IDS = FIRST_ID + STEP * np.arange(12)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("anonymous") / "run", seed=SEED)


def contents(folder):
    """Return each file's bytes, compressed parts unpacked, and every array that it holds."""
    for path in (path for path in sorted(folder.rglob("*")) if path.is_file()):
        yield path.read_bytes(), ()
        if path.suffix == ".npz":
            with zipfile.ZipFile(path) as archive:
                parts = [archive.read(name) for name in archive.namelist()]
            yield b"".join(parts), [np.load(io.BytesIO(part)) for part in parts]
        if path.suffix == ".hdf5":
            h5py = pytest.importorskip("h5py")
            things = {}
            with h5py.File(path) as file:
                file.visititems(things.setdefault)
                words = [repr(dict(thing.attrs)) for thing in things.values()]
                arrays = [thing[()] for thing in things.values() if isinstance(thing, h5py.Dataset)]
            yield " ".join(words).encode(), arrays


def leaks(folder):
    words = [str(user) for user in IDS] + [f"{word}{i}" for word in DEMOGRAPHICS.values() for i in range(3)] + [str(SEED)]
    found = set()
    for content, arrays in contents(folder):
        found |= {word for word in words if word.encode() in content}
        for array in arrays:
            numbers = np.asarray(array)
            if numbers.dtype.kind in "iuf":
                found |= {str(int(value)) for value in numbers[np.isin(numbers, [*IDS, SEED])]}
    return found


@pytest.fixture(scope="module")
def talks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("anonymous talks") / "run"
    world = {"users__model": "export_runs:marked_world", "data": "fictional", "users__count": 12}
    return make_talks(folder, seed=SEED, conversation__words=True, **world)


@pytest.mark.parametrize("form", TALK_FORMATS)
def test_no_id_demographic_value_or_seed_is_anywhere_in_conversations(talks, tmp_path, form):
    export(talks, form, tmp_path / "anonymous", anonymous=True)
    assert leaks(tmp_path / "anonymous") == set()
    export(talks, form, tmp_path / "open")
    assert {str(user) for user in IDS} <= leaks(tmp_path / "open")


@pytest.mark.parametrize("form", [form for form in FORMATS if form not in (*TALK_FORMATS, "counts")])
def test_no_id_demographic_value_or_seed_is_anywhere(run, tmp_path, form):
    if form == "minari":
        pytest.importorskip("minari", reason="Minari is not installed")
    arm = "random" if form == "obp-slates" else None
    export(run, form, tmp_path / "anonymous", arm=arm, anonymous=True)
    assert leaks(tmp_path / "anonymous") == set()
    export(run, form, tmp_path / "open", arm=arm)
    assert {str(user) for user in IDS} & leaks(tmp_path / "open")


def test_the_check_sees_demographics_and_seeds_where_they_are(run, tmp_path):
    export(run, "recbole", tmp_path / "recbole")
    assert {f"{word}0" for word in DEMOGRAPHICS.values()} <= leaks(tmp_path / "recbole")
    pytest.importorskip("minari", reason="Minari is not installed")
    export(run, "minari", tmp_path / "minari")
    assert str(SEED) in leaks(tmp_path / "minari")


def users_of(folder, arm="random"):
    return load_bandit_feedback(folder / arm / "feedback.npz")["user_id"]


def test_users_keep_one_id_within_an_export_and_another_in_the_next(run, tmp_path):
    export(run, "obp", tmp_path / "one", anonymous=True)
    export(run, "obp", tmp_path / "two", anonymous=True)
    one, two = users_of(tmp_path / "one"), users_of(tmp_path / "two")
    assert set(one) == set(users_of(tmp_path / "one", "popularity"))
    assert len(set(one)) == len(IDS)
    assert not set(one) & set(two)


def test_rows_stand_in_the_order_of_the_new_ids(run, tmp_path):
    export(run, "obp", tmp_path / "anonymous", anonymous=True)
    users = users_of(tmp_path / "anonymous")
    assert (np.diff(users) >= 0).all()


def test_what_users_did_stays_as_it_was(run, tmp_path):
    export(run, "obp", tmp_path / "anonymous", anonymous=True)
    export(run, "obp", tmp_path / "open")
    one, other = (load_bandit_feedback(tmp_path / name / "random" / "feedback.npz") for name in ("anonymous", "open"))

    def histories(feedback):
        columns = np.column_stack([feedback[name] for name in ("visit", "page", "position", "action", "reward", "pscore")])
        return sorted(columns[feedback["user_id"] == user].tolist() for user in set(feedback["user_id"]))

    assert histories(one) == histories(other)


@given(st.lists(st.integers(0, 2**62), min_size=1, max_size=50, unique=True))
@settings(max_examples=50)
def test_new_ids_are_unique_unlike_any_old_one_and_whole_as_doubles(users):
    identities = Identities(np.array(users), anonymous=True)
    new = identities.of(np.array(users))
    assert len(set(new.tolist())) == len(users)
    assert not set(new.tolist()) & set(users)
    assert (new.astype(np.float64).astype(np.int64) == new).all()
    assert (new >= 0).all()


def test_strangers_have_no_id():
    with pytest.raises(LogError, match="got user 5, expected users of the run's population"):
        Identities(np.array([1, 9]), anonymous=False).of(np.array([9, 5]))

"""The fitted item side and its file."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import fields

import numpy as np
import pytest

from recsim_llm.agents.choice.choice_model import ChoiceModel, FamilyTaste
from recsim_llm.agents.choice.choice_parameters import ChoiceParameters
from recsim_llm.errors import DataError

SCALARS = ("click_bias", "patience_median", "mainstreamness_mean", "mainstreamness_spread", "fitted_on", "selection", "sources")
ARRAYS = ("item_id", "click_items", "rating_items", "levels")


@pytest.fixture
def model():
    random = np.random.default_rng(0)
    return ChoiceModel(
        item_id=np.array([5, 3, 2**40]),
        click_items=random.normal(size=(3, 4)).astype(np.float32),
        rating_items=random.normal(size=(3, 2)).astype(np.float32),
        levels=np.array([0.5, 1, 5], np.float32),
        parameters=ChoiceParameters(boredom=0.1 + 0.2, position_curve=(1.0, 1 / 3)),
        click_bias=-1 / 7,
        patience_median=12.5,
        mainstreamness_mean=1 / 3,
        mainstreamness_spread=0.2,
        fitted_on="a fingerprint",
        families={
            name: FamilyTaste(click_items=random.normal(size=(3, 2)).astype(np.float32), click_bias=random.normal())
            for name in ("factors", "sequence")
        },
        sources={"click_rate": {"low": 0.1, "high": None, "note": "of a log"}},
    )


@pytest.fixture
def file(model, tmp_path):
    model.save(tmp_path / "model.npz")
    return tmp_path / "model.npz"


def rewrite(file, *, header=None, **arrays):
    """Change parts of a saved model; a header key or an array of None is left out."""
    with np.load(file) as stored:
        parts = {name: stored[name] for name in stored.files}
    settings = json.loads(str(parts["header"])) | (header or {})
    parts["header"] = np.array(json.dumps({name: value for name, value in settings.items() if value is not None}))
    parts |= arrays
    np.savez(file, **{name: value for name, value in parts.items() if value is not None})


def test_a_model_is_restored_exactly(model, file):
    again = ChoiceModel.load(file)
    assert {field.name for field in fields(ChoiceModel)} == {*SCALARS, *ARRAYS, "families", "parameters"}
    assert again.parameters == model.parameters
    assert [getattr(again, name) for name in SCALARS] == [getattr(model, name) for name in SCALARS]
    for name in ARRAYS:
        stored = getattr(again, name)
        np.testing.assert_array_equal(stored, getattr(model, name))
        assert stored.dtype == getattr(model, name).dtype
    assert list(again.families) == list(model.families)
    for name, taste in model.families.items():
        assert again.families[name].click_bias == taste.click_bias
        np.testing.assert_array_equal(again.families[name].click_items, taste.click_items)


def test_the_same_model_makes_the_same_bytes(model, file, tmp_path):
    model.save(tmp_path / "again.npz")
    with zipfile.ZipFile(file) as left, zipfile.ZipFile(tmp_path / "again.npz") as right:
        assert {name: left.read(name) for name in left.namelist()} == {name: right.read(name) for name in right.namelist()}


def test_a_missing_file_is_a_data_error(tmp_path):
    with pytest.raises(DataError, match="expected a fitted choice model"):
        ChoiceModel.load(tmp_path / "none.npz")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a model", b"\x93NUMPY\x01\x00"])
def test_a_file_of_another_kind_is_a_data_error(content, tmp_path):
    (tmp_path / "model.npz").write_bytes(content)
    with pytest.raises(DataError, match="expected a fitted choice model"):
        ChoiceModel.load(tmp_path / "model.npz")


def test_a_single_array_is_a_data_error(tmp_path):
    with (tmp_path / "model.npz").open("wb") as stream:
        np.save(stream, np.arange(3))
    with pytest.raises(DataError, match="expected a fitted choice model"):
        ChoiceModel.load(tmp_path / "model.npz")


def test_a_damaged_file_is_a_data_error_or_still_the_same_model(model, file, tmp_path):
    whole = file.read_bytes()
    damaged = tmp_path / "damaged.npz"
    for place in range(0, len(whole), 3):
        damaged.write_bytes(whole[:place] + bytes([whole[place] ^ 0x5A]) + whole[place + 1 :])
        try:
            again = ChoiceModel.load(damaged)
        except DataError:
            continue
        np.testing.assert_array_equal(again.click_items, model.click_items)
        assert again.parameters == model.parameters


def test_a_short_file_is_a_data_error(file, tmp_path):
    whole = file.read_bytes()
    for size in range(0, len(whole), 41):
        (tmp_path / "short.npz").write_bytes(whole[:size])
        with pytest.raises(DataError, match="expected a fitted choice model"):
            ChoiceModel.load(tmp_path / "short.npz")


def test_another_version_is_refused(file):
    rewrite(file, header={"version": 99})
    with pytest.raises(DataError, match=r"got model version 99, expected 4; fit again"):
        ChoiceModel.load(file)


@pytest.mark.parametrize("name", [*SCALARS, "families", "parameters", "version"])
def test_a_missing_setting_is_a_data_error(file, name):
    rewrite(file, header={name: None})
    with pytest.raises(DataError, match=name):
        ChoiceModel.load(file)


def test_an_unknown_parameter_is_a_data_error(file):
    rewrite(file, header={"parameters": {"stubbornness": 1.0}})
    with pytest.raises(DataError, match="stubbornness"):
        ChoiceModel.load(file)


@pytest.mark.parametrize("name", [*ARRAYS, "click_items_factors"])
def test_a_missing_array_is_a_data_error(file, name):
    rewrite(file, **{name: None})
    with pytest.raises(DataError, match="expected a fitted choice model"):
        ChoiceModel.load(file)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("click_items", np.zeros((2, 4), np.float32)),
        ("click_items", np.zeros((3, 4))),
        ("rating_items", np.zeros(3, np.float32)),
        ("item_id", np.zeros(3, np.float32)),
        ("levels", np.zeros((1, 3), np.float32)),
    ],
)
def test_an_array_of_another_shape_or_type_is_a_data_error(file, name, array):
    rewrite(file, **{name: array})
    with pytest.raises(DataError, match=f"got {name} "):
        ChoiceModel.load(file)


def test_pickled_objects_are_never_loaded(file):
    stream = io.BytesIO()
    np.save(stream, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    rewrite(file, item_id=None)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("item_id.npy", stream.getvalue())
    with pytest.raises(DataError, match="expected a fitted choice model"):
        ChoiceModel.load(file)

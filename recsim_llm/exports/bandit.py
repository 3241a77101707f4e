"""Logged bandit feedback as the Open Bandit Pipeline takes it, one round a slot or one round a page.

Source: Y. Saito, S. Aihara, M. Matsutani and Y. Narita (2021), Open Bandit Dataset and Pipeline: Towards Realistic and
Reproducible Off-Policy Evaluation, NeurIPS Datasets and Benchmarks; keys as in ``obp`` 0.5.7. The propensities of a page are
those of J. McInerney, B. Brost, P. Chandar, R. Mehrotra and B. Carterette (2020), Counterfactual Evaluation of Slate
Recommendations with Sequential Reward Interactions, KDD, section 3.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from recsim_llm.core.array_files import read_arrays
from recsim_llm.errors import DataError, LogError
from recsim_llm.exports.arm_log import Portion
from recsim_llm.exports.own_names import write_own_ids
from recsim_llm.exports.source import ExportSource

__all__ = ["load_bandit_feedback", "write_bandit_feedback", "write_slate_feedback"]

Columns = dict[str, npt.NDArray[Any]]

_CONTEXT = "context"
_NUMBERS = ("n_rounds", "n_actions", "n_unique_action")


def write_bandit_feedback(source: ExportSource, folder: Path) -> dict[str, int]:
    """Write ``feedback.npz``: every slot that showed an item is a round, with its own action and propensity.

    Keys: ``n_rounds``, ``n_actions``, ``action`` (catalog position), ``position``, ``reward`` (1 clicked, 0 not), ``pscore``
    (probability of the item at the position), ``context`` [n_rounds, 1 + f] (share of the page budget used, mean features of
    what was clicked in the visit so far), ``action_context`` [n_actions, f], and beside what ``obp`` asks for ``item_id``
    [n_actions], ``user_id``, ``visit`` and ``page`` [n_rounds]. Where the data's own ids are texts, ``items.csv`` and
    ``users.csv`` translate the numbers. Where users could search or look back, ``how`` [n_rounds] says how the page came about;
    pages looked at again have no propensities, and searched ones have them where the recommender answers and tells them.

    Returns:
        What was written, by name.

    Raises:
        LogError: nothing was shown, or a propensity is unknown; nothing is filled in.
    """
    rounds, _ = source.log.shown()
    if not rounds:
        raise LogError(f"{source.log.run}: got no item shown by arm {source.log.arm!r}, expected at least one")
    fixed = {"n_rounds": rounds, "n_actions": len(source.catalog)}
    write_own_ids(source, folder)
    _write(folder / "feedback.npz", source, fixed, (_rounds(source, portion) for portion in source.portions()), slots=rounds)
    return {"rounds": rounds}


def write_slate_feedback(source: ExportSource, folder: Path) -> dict[str, int]:
    """Write ``slates.npz``: the same slots, with the three propensities that slate estimators need.

    Keys: ``n_rounds`` (pages), ``n_unique_action``, ``slate_id``, ``action``, ``position``, ``reward``, ``pscore`` (of the
    whole page), ``pscore_item_position`` (this item here), ``pscore_cascade`` (the page down to here: product of the
    probabilities given the positions before), ``context`` [n_rounds, 1 + f], ``action_context``, and beside what ``obp``
    asks for ``item_id`` [n_unique_action], ``user_id``, ``visit`` and ``page`` [n_rounds]. Own ids as for ``feedback.npz``.

    Returns:
        What was written, by name.

    Raises:
        LogError: nothing was shown, a slot is blank (its propensities are unknown), or a propensity is unknown.
    """
    items, blank = source.log.shown()
    if blank or not items:
        raise LogError(
            f"{source.log.run}: got {blank} blank slots of arm {source.log.arm!r}, whose propensities are unknown, expected "
            "whole pages; export obp, or make the recommender show items on sale"
        )
    pages = items // source.log.slate_size
    fixed = {"n_rounds": pages, "n_unique_action": len(source.catalog)}
    write_own_ids(source, folder)
    _write(folder / "slates.npz", source, fixed, _slates(source), slots=items)
    return {"rounds": pages, "slots": items}


def load_bandit_feedback(path: Path | str) -> dict[str, Any]:
    """Return the dictionary that ``obp`` takes as ``bandit_feedback`` from a file of one of the writers.

    Raises:
        DataError: the file cannot be read, or is none of theirs.
    """
    try:
        feedback: dict[str, Any] = read_arrays(Path(path))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: got a file that cannot be read ({error}), expected feedback.npz or slates.npz of an export; export again"
        ) from error
    if "n_rounds" not in feedback:
        raise DataError(
            f"{path}: got {', '.join(feedback) or 'nothing'}, expected feedback.npz or slates.npz of an export; export again"
        )
    return {name: int(value) if name in _NUMBERS else value for name, value in feedback.items()}


def _rounds(source: ExportSource, portion: Portion) -> Columns:
    shown = portion.item_id >= 0
    pscore = _probabilities(source, "propensity", portion.propensity[shown])
    row, position = np.nonzero(shown)
    columns: Columns = {
        "action": source.item_index(portion.item_id)[shown],
        "position": position,
        "reward": portion.clicked[shown].astype(np.int64),
        "pscore": pscore,
        _CONTEXT: _context(source, portion)[row],
    }
    return columns | {name: column[row] for name, column in _whose(source, portion).items()}


def _slates(source: ExportSource) -> Iterator[Columns]:
    before = 0
    for portion in source.portions():
        pages, slots = portion.item_id.shape
        cascade = np.cumprod(_probabilities(source, "prefix_propensity", portion.prefix_propensity), axis=1)
        yield {
            "slate_id": np.repeat(before + np.arange(pages), slots),
            "action": source.item_index(portion.item_id).reshape(-1),
            "position": np.tile(np.arange(slots), pages),
            "reward": portion.clicked.reshape(-1).astype(np.int64),
            "pscore": np.repeat(_probabilities(source, "slate_propensity", portion.slate_propensity), slots),
            "pscore_item_position": _probabilities(source, "propensity", portion.propensity).reshape(-1),
            "pscore_cascade": cascade.reshape(-1),
            _CONTEXT: _context(source, portion),
        } | _whose(source, portion)
        before += pages


def _whose(source: ExportSource, portion: Portion) -> Columns:
    columns = {"user_id": source.identities.of(portion.user_id), "visit": portion.visit, "page": portion.page}
    return columns if portion.how is None else columns | {"how": portion.how.astype("U11")}


def _probabilities(source: ExportSource, column: str, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    unknown = np.isnan(values)
    if unknown.any():
        raise LogError(
            f"{source.log.run}: got {np.count_nonzero(unknown):,} unknown values of {column!r} in arm {source.log.arm!r}, "
            "expected the recommender's probabilities; export another arm, or have the recommender return them"
        )
    if not ((values > 0) & (values <= 1)).all():
        raise LogError(
            f"{source.log.run}: got {column} {values[(values <= 0) | (values > 1)][0]} in arm {source.log.arm!r}, "
            "expected above 0, up to 1; correct the recommender"
        )
    return values


def _context(source: ExportSource, portion: Portion) -> npt.NDArray[np.float32]:
    """Return float32 [p, 1 + f]: what a policy can see before each page, in columns of fixed width."""
    features = source.catalog.features.astype(np.float64)
    row, slot = np.nonzero(portion.clicked & (portion.item_id >= 0))
    clicked = source.item_index(portion.item_id[row, slot])
    gained = np.zeros((len(portion.page), features.shape[1] + 1))
    np.add.at(gained, row, np.column_stack([features[clicked], np.ones(len(clicked))]))
    before = np.cumsum(gained, axis=0) - gained
    first = portion.first
    before -= np.repeat(before[first], np.diff(np.append(first, len(before))), axis=0)
    mean = before[:, :-1] / np.maximum(before[:, -1:], 1)
    return np.column_stack([portion.page / source.max_pages, mean]).astype(np.float32)


def _write(path: Path, source: ExportSource, fixed: Mapping[str, int], parts: Iterator[Columns], *, slots: int) -> None:
    """Write arrays to files of their own part by part, and pack them: memory holds a part only."""
    known = {"action_context": source.catalog.features, "item_id": source.catalog.item_id}
    with ExitStack() as open_files:
        # Written, not mapped: a full disk is then an error, where a mapped page would end the process.
        streams: dict[str, BinaryIO] = {}
        for part in parts:
            for name, column in part.items():
                if name not in streams:
                    by_page = "slate_id" in part and name in (_CONTEXT, "user_id", "visit", "page", "how")
                    length = fixed["n_rounds"] if by_page else slots
                    streams[name] = open_files.enter_context(path.with_name(f"{name}.npy").open("wb"))
                    _write_header(streams[name], column.dtype, (length, *column.shape[1:]))
                streams[name].write(np.ascontiguousarray(column).data)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in (*fixed.items(), *known.items()):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.asarray(value), allow_pickle=False)
        for name in streams:
            archive.write(path.with_name(f"{name}.npy"), f"{name}.npy")
            path.with_name(f"{name}.npy").unlink()


def _write_header(stream: BinaryIO, kind: np.dtype[Any], shape: tuple[int, ...]) -> None:
    header = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)

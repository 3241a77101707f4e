"""A rating column as stars: on its own scale, without what stands for "not rated", and asked about where neither is said."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recsim_llm.core.arrays import BoolArray, DoubleArray
from recsim_llm.data.bad_rows import CLICKS_REMEDY, LOWEST_STARS, MOST_STARS, OTHER_SCALE_SHARE, SKIP_REMEDY, RowCheck
from recsim_llm.data.column_values import parse_decimals, shown
from recsim_llm.data.table_settings import TableSettings, column_in_all_forms, in_all_forms
from recsim_llm.errors import ConfigError, DataError

__all__ = ["read_stars"]

_INTERACTION_STARS = 5.0
_PILE_SHARE = 0.2
_PILE_TIMES = 2
_HIGH_PILE_SHARE = 0.4
_HIGH_PILE_TIMES = 3
_CODES = (9.0, 77.0, 88.0, 98.0, 99.0, 777.0, 888.0, 998.0, 999.0, 9999.0)
_ENOUGH_TO_VARY = 10
_FEWEST_ONES = 3
_MOST_CODES = 4
_SIDES = 2
_USUAL_TOPS = (1, 5, 7, 10, 20, 100)

Stars = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Levels:
    """The numbers of a rating column."""

    values: DoubleArray
    """float64 [l]: distinct, ascending."""
    counts: npt.NDArray[np.int64]
    """int64 [l]: rows with each."""

    @property
    def rows(self) -> int:
        return int(self.counts.sum())


def read_stars(check: RowCheck, settings: TableSettings) -> Stars:
    """Return the stars of each row, float32 [r], 1 to 5 of a named scale, 0.5 to 5 otherwise; constant for implicit data.

    Rows that hold a number that stands for "not rated" are left out and counted. A number at an end of the scale that looks
    like one is refused, even where bad rows may be skipped, until ``not_rated`` says what it is: 0 or a single negative number
    below ratings above 0, a number far from all others, a pile that no other number comes near. Ratings on a scale that
    nobody named are refused likewise, and so is a column in which all rows agree.

    Args:
        check: the interactions table; a row without a rating drops out of it.
        settings: what the column cannot say of itself.

    Raises:
        ConfigError: numbers stand for "not rated", and no column is read in which they could stand.
        DataError: there is no such column, it does not say what its numbers mean, or a row is unusable.
    """
    if settings.not_rated and not check.has("rating"):
        _refuse_not_rated(check, settings)
    if settings.constant_rating is not None or (settings.implicit and not check.has("rating")):
        return np.full(check.table.row_count, settings.constant_rating or _INTERACTION_STARS, dtype=np.float32)
    if not check.has("rating"):
        raise DataError(
            f"{check.table.name}: rating: got no such column, expected one; {CLICKS_REMEDY}; otherwise name the column, with "
            f"{column_in_all_forms('rating')}"
        )
    layout = check.table.layout
    # A comma within a field of a table that separates fields otherwise is how much of Europe writes 4.5.
    numbers, bad = parse_decimals(check.table.columns["rating"], commas=layout is not None and layout.delimiter != ",")
    if settings.not_rated:
        check.leave_out(np.isin(numbers, settings.not_rated) & ~bad, "not rated")
    if settings.implicit:
        _ask_about_flags(check, numbers, bad, settings)
        return np.full(check.table.row_count, _INTERACTION_STARS, dtype=np.float32)
    levels = _levels(check, numbers, bad)
    _ask(check, numbers, bad, levels, settings=settings)
    low, high = settings.rating_scale or (LOWEST_STARS, MOST_STARS)
    outside = ~bad & ((numbers < low) | (numbers > high))
    expected = f"a number from {low:g} to {high:g}"
    check.refuse(bad | outside, column="rating", expected=expected, reason="bad rating", remedy=_row_remedy(settings))
    stars = numbers if settings.rating_scale is None else 1 + 4 * (numbers - low) / (high - low)
    return stars.astype(np.float32)


def _refuse_not_rated(check: RowCheck, settings: TableSettings) -> None:
    # Whoever says which rows do not count would believe that they were left out.
    got = "not_rated: got " + ", ".join(f"{number:g}" for number in settings.not_rated or ())
    if settings.constant_rating is not None:
        raise ConfigError(
            f"{got} beside constant_rating, with which no rating column is read, expected one of the two; pass "
            f"{in_all_forms(feedback='implicit')} in place of constant_rating, or leave not_rated out"
        )
    raise ConfigError(
        f"{got} but {check.table.name} has no rating column in which it could stand, expected one; name it, with "
        f"{column_in_all_forms('rating')}, or leave not_rated out"
    )


def _levels(check: RowCheck, numbers: DoubleArray, bad: BoolArray) -> _Levels:
    good = check.keep & ~bad
    if not good.any():
        row = int(np.argmax(check.keep))
        raise DataError(
            f"{_got(check, row)}, expected numbers, and no row of this column holds one; "
            f"name another, with {column_in_all_forms('rating')}; {CLICKS_REMEDY}"
        )
    values, counts = np.unique(numbers[good], return_counts=True)
    return _Levels(values=values, counts=counts)


def _ask(check: RowCheck, numbers: DoubleArray, bad: BoolArray, levels: _Levels, *, settings: TableSettings) -> None:
    """Refuse a column that does not say what its numbers mean."""
    scale, values = settings.rating_scale, levels.values
    low, high = scale or (LOWEST_STARS, MOST_STARS)
    outside = (values < low) | (values > high)
    few = levels.counts[outside].sum() <= OTHER_SCALE_SHARE * levels.rows
    if settings.not_rated != () and (scale is not None or outside.any()):
        # Rows outside the scale that are left out as bad rows need no second reason.
        forgiven = check.skip and (scale is not None or few)
        asked = [value for value in _suspects(levels, scale) if low <= value <= high or not forgiven]
        if asked:
            row = int(np.argmax((numbers == asked[0]) & ~bad & check.keep))
            raise DataError(_question(check, row, levels, asked, settings=settings))
    if scale is not None:
        return
    if len(values) == 1 and (outside.any() or levels.rows >= (_FEWEST_ONES if values[0] == 1 else _ENOUGH_TO_VARY)):
        # What may well be a code for "not rated" in all rows gets no advice that makes it a rating.
        code = values[0] <= 0 or values[0] in _CODES
        scale_remedy = "" if code else f"; if they are ratings pass {in_all_forms(rating_scale=_usual_scale(values))}"
        raise DataError(
            f"{check.table.name}: rating: got {values[0]:g} in all {levels.rows:,} rows, expected ratings that differ; "
            f"{CLICKS_REMEDY}{scale_remedy}"
        )
    if not few:
        row = int(np.argmax(((numbers < low) | (numbers > high)) & ~bad & check.keep))
        # Even where bad rows may be skipped: dropping every high rating would bend the data without a word.
        raise DataError(
            f"{_got(check, row)}, expected a number from {low:g} to {high:g}; the file's ratings go from {values[0]:g} to "
            f"{values[-1]:g}, so pass their scale (and with --not-rated what is none of them), for instance "
            f"{in_all_forms(rating_scale=_usual_scale(values))}"
        )


def _suspects(levels: _Levels, scale: tuple[float, float] | None) -> list[float]:
    """Return the numbers at the ends that look as if they stood for something else than a rating."""
    found: list[float] = []
    for _ in range(_MOST_CODES):
        left = ~np.isin(levels.values, found)
        rest = _Levels(values=levels.values[left], counts=levels.counts[left])
        low, high = float(rest.values[0]), float(rest.values[-1])
        if len(rest.values) < 2 or (scale is None and low >= LOWEST_STARS and high <= MOST_STARS):
            break
        if _odd_low(rest, inside=scale is not None and scale[0] <= low):
            found.append(low)
        elif _odd_high(rest, inside=scale is not None and high <= scale[1]):
            found.append(high)
        else:
            break
    return found


def _odd_low(levels: _Levels, *, inside: bool) -> bool:
    low, rest = levels.values[0], levels.values[1:]
    alone = low <= 0 < rest[0] or low < 0 <= rest[0]
    # Of a scale through 0 about as many numbers lie on either side.
    alone = alone or (low <= 0 and _SIDES * (levels.values <= 0).sum() < (levels.values > 0).sum())
    far = len(rest) > 1 and rest[0] - low > rest[-1] - rest[0]
    # Among a few ratings a low one may well be far from the others.
    sure = not inside and low < LOWEST_STARS
    return bool((alone or far) and (sure or _is_pile(levels, 0, _PILE_SHARE, _PILE_TIMES)))


def _odd_high(levels: _Levels, *, inside: bool) -> bool:
    high, rest = levels.values[-1], levels.values[:-1]
    if high <= MOST_STARS:
        return False
    gap = high - rest[-1]
    far = len(rest) > 1 and gap > rest[-1] - rest[0]
    code = high in _CODES and gap > (np.diff(rest).max() if len(rest) > 1 else 1)
    if inside:
        return bool((far or code) and _is_pile(levels, -1, _PILE_SHARE, _PILE_TIMES))
    return bool(far or code or _is_pile(levels, -1, _HIGH_PILE_SHARE, _HIGH_PILE_TIMES))


def _is_pile(levels: _Levels, place: int, share: float, times: int) -> bool:
    """Say whether an end of the scale holds so many rows that no other number comes near."""
    others = np.delete(levels.counts, place)
    return bool(len(others) > 1 and levels.counts[place] >= max(share * levels.rows, 1 + times * others.max()))


def _question(check: RowCheck, row: int, levels: _Levels, asked: list[float], *, settings: TableSettings) -> str:
    scale = settings.rating_scale
    low, high = scale or (LOWEST_STARS, MOST_STARS)
    rest = levels.values[~np.isin(levels.values, asked)]
    rows = int(levels.counts[np.isin(levels.values, asked)].sum())
    numbers = " or ".join(f"{value:g}" for value in asked)
    flags = set(levels.values.tolist()) <= {0.0, 1.0}
    options: dict[str, object] = {"feedback": "implicit"} if flags else {}
    options["not_rated"] = _one_or_more((*(settings.not_rated or ()), *asked))
    if scale is None and (rest[0] < low or rest[-1] > high):
        options["rating_scale"] = _usual_scale(rest)
    named = "" if scale is not None else " and the scale with --rating-scale=LOW,HIGH"
    meaning = "1 means taken and 0 means not taken" if flags else f"{numbers} means not rated"
    return (
        f"{_got(check, row)}, expected a number from {low:g} to {high:g} that is a rating; {rows:,} of {levels.rows:,} "
        f"rows hold {numbers}, the others {rest[0]:g} to {rest[-1]:g}: if {numbers} is a rating pass --not-rated=none{named}; "
        f"if {meaning} pass {in_all_forms(**options)}"
    )


def _got(check: RowCheck, row: int) -> str:
    return f"{check.table.place(row)}: rating: got {shown(check.table.columns['rating'], row)}"


def _one_or_more(numbers: tuple[float, ...]) -> float | tuple[float, ...]:
    return numbers[0] if len(numbers) == 1 else numbers


def _usual_scale(values: DoubleArray) -> tuple[float, float]:
    """Return the scale that such ratings are likely to be on, as an example: people seldom use all of it."""
    largest = max(abs(float(values[0])), abs(float(values[-1])))
    top = next((float(top) for top in _USUAL_TOPS if top >= largest), largest)
    bottom = -top if values[0] < 0 else 0.0 if values[0] < 1 or top == 1 else 1.0
    return bottom, top


def _ask_about_flags(check: RowCheck, numbers: DoubleArray, bad: BoolArray, settings: TableSettings) -> None:
    """Refuse implicit data whose rating column may say that something was *not* taken."""
    good = check.keep & ~bad
    values = set(np.unique(numbers[good]).tolist())
    negative = any(value < 0 for value in values)
    if settings.not_rated is not None or not (negative or values == {0.0, 1.0}):
        return
    odd = min(values)
    row = int(np.argmax((numbers == odd) & good))
    raise DataError(
        f"{_got(check, row)}, expected a row that says that the item was taken; to count such rows like all others pass "
        f"--not-rated=none; to leave them out pass {in_all_forms(not_rated=odd)}"
    )


def _row_remedy(settings: TableSettings) -> str:
    if settings.rating_scale is not None:
        return SKIP_REMEDY
    return f"{SKIP_REMEDY}; if the ratings are on another scale pass {in_all_forms(rating_scale=('LOW', 'HIGH'))}"

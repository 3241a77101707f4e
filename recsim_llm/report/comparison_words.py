"""What a comparison says in words: verdicts, and what was planned."""

from __future__ import annotations

from recsim_llm.report import numbers
from recsim_llm.report.ceiling_words import compared_beaten, warn_of_beaten
from recsim_llm.report.comparison_rows import Content, Row

__all__ = ["explain_basis", "family_line", "plan_lines", "verdict_lines"]

_MORE = {
    "clicks_per_user": "got more clicks per user",
    "reward_per_user": "got more reward per user",
    "visits_per_user": "got more visits per user",
    "pages_per_visit": "got more pages per visit",
    "clicks_per_page": "got more clicks per page",
}


def verdict_lines(content: Content) -> list[str]:
    """Say what must be known of the users, which ceilings were beaten, what the comparisons carry, how it was judged.

    Comparisons against the first recommender come before those against the best.
    """
    metric = content["metrics"][0]["key"]
    rows = {(row["arm"], row["against"]): row for row in content["comparisons"] if row["metric"] == metric}
    first, best = content["arms"][0], content["best"]
    wanted = [pair for pair in rows if pair[1] == first] + [pair for pair in rows if best in pair and first not in pair]
    beaten = warn_of_beaten(compared_beaten(content), content["arms"])
    families = {(row["arm"], row["against"]): row for row in content["families"]}
    lines = []
    for pair in wanted:
        lines.append(_sentence(content, rows[pair]))
        if pair in families:
            lines.append(family_line(rows[pair], families[pair]))
    return [*content["warnings"], *beaten, *lines, explain_basis(content)]


def family_line(row: Row, families: Row) -> str:
    """Say whether a verdict survives the families that users were drawn from.

    It holds with a family whose interval lies on the verdict's side of 0, turns with one whose interval lies on the other, and
    is undecided with all others.
    """
    arm, against, found = row["arm"], row["against"], families["groups"]
    ahead, behind, undecided = list[str](), list[str](), list[str]()
    for name, effect in zip(found["names"], map(numbers.read_estimate, found["effects"]), strict=True):
        side = undecided if not effect.excludes(0.0) else ahead if (effect.value or 0.0) > 0.0 else behind
        side.append(name)
    pair = f"{arm} against {against}, by family of users"
    if row["verdict"] not in ("better", "worse"):
        told = [f"{where} with {_listed(names)}" for where, names in (("ahead", ahead), ("behind", behind)) if names]
        said = f"{arm} is {' and '.join(told)}" if told else "undecided with every family"
        return f"{pair}: {said}."
    same, other = (ahead, behind) if row["verdict"] == "better" else (behind, ahead)
    if not other and not undecided:
        return f"{pair}: holds with every family."
    parts = [("turns with", other), ("holds with", same), ("undecided with", undecided)]
    return f"{pair}: {'; '.join(f'{words} {_listed(names)}' for words, names in parts if names)}."


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def plan_lines(plan: Content) -> list[str]:
    """Say what the planned users can show."""
    where = f"a pilot of {numbers.counted(plan['pilot'], 'user')}" if plan["pilot"] else "the deviation stated"
    lines = [
        f"{numbers.counted(plan['users'], 'user')}, by {where}; each test at level {plan['alpha']:.2g}, after dividing by the "
        "number of comparisons; a difference counts as found if 4 of 5 such runs find it."
    ]
    for pair in plan["pairs"]:
        found = numbers.with_interval(numbers.read_estimate(pair["detectable"]))
        text = f"{pair['arm']} against {plan['against']}: smallest difference found {found} {plan['unit']}"
        if pair["users_needed"] is not None:
            text += (
                f"; for the {plan['effect']:g} that matters {numbers.counted(pair['users_needed'], 'user')}"
                f" (these users find it with probability {numbers.plain(pair['power'], 2)})"
            )
        if pair["unpaired_users"] is not None:
            text += f", {numbers.count(pair['unpaired_users'])} an arm without pairing"
        lines.append(text + ".")
    return lines


def explain_basis(content: Content) -> str:
    """Say how it was judged: users, level and correction."""
    judging, count = content["judging"], len(content["comparisons"])
    users = numbers.counted(content["users"], "user")
    level = f"{100 * judging['confidence']:.3g}%"
    if content["sequential"] is not None:
        available = numbers.count(content["sequential"]["available"])
        served = f"{numbers.count(content['users'])} of {available} users served"
        return f"{served}; {level} intervals are always-valid, so stopping early is allowed."
    if judging["correction"] == "holm":
        together = f"{level} intervals hold together over {count} comparisons" if count > 1 else f"{level} intervals"
        return f"{users}; {together} (Holm)."
    share = f"{100 - 100 * judging['confidence']:.3g}%"
    users += f", {numbers.counted(count, 'comparison')}"
    return f"{users}; of those claimed, {share} at most are expected false (Benjamini-Hochberg)."


def _sentence(content: Content, row: Row) -> str:
    metric, effect = content["metrics"][0], numbers.read_estimate(row["effect"])
    share, label, smallest = metric["unit"] == "share", metric["label"].lower(), content["judging"]["effect"]
    one, other = row["arm"], row["against"]
    if row["verdict"] == "identical":
        users = numbers.counted(effect.users, "user")
        return f"{one} and {other} got exactly the same from each of {users}: identical for them, undecided of others."
    if row["verdict"] == "worse":
        one, other, effect = other, one, effect.turned()
    if effect.value is None:
        return f"Not assessed between {one} and {other} in {label}, which is undefined for one of them or for both."
    amount = numbers.with_interval(effect, share=share, sign=True) + _when(content, row)
    if row["verdict"] in ("better", "worse"):
        text = f"{one} {_MORE.get(metric['key'], f'has more: {label},')} than {other}: {amount}"
        if not effect.excludes(0.0):
            return f"{text}; by how much the data do not say."
        doubt = smallest is not None and effect.low is not None and effect.low < smallest
        return text + (f". Whether by the {smallest:g} that matters is undecided." if doubt else ".")
    if row["verdict"] == "no difference that matters":
        return f"{one} and {other} differ by less than the {smallest:g} that matters in {label}: {amount}."
    return f"Undecided between {one} and {other} in {label}: {amount}{_missing(row, smallest)}."


def _missing(row: Row, smallest: float | None) -> str:
    """Say what it would have taken to decide."""
    power = row["power"]
    if power is None:
        return "; users are too few or too alike for an interval"
    if power["users_needed"] is not None:
        return f"; users needed for the effect of interest ({smallest:g}): {numbers.count(power['users_needed'])}"
    return f"; so many users find a true difference of {numbers.plain(power['detectable'], 2)} in 4 of 5 runs"


def _when(content: Content, row: Row) -> str:
    sequential = content["sequential"]
    if sequential is None or row["arm"] not in sequential["decided"] or row["against"] != content["arms"][0]:
        return ""
    return f", decided after {numbers.counted(sequential['decided'][row['arm']], 'user')}"

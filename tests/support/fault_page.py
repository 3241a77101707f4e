"""The page of the matrix of faults, from what came of its cells."""

from fault_matrix import FAULTS, PLACES, RULES, SHARDED, USERS, VERBS, Cell, cells, fate, stand_in

SIGNS = {"unharmed": "=", "goes": "→", "refused": "!", "test": "t", "none": "·"}
"""What the tables say of a cell."""
NAMES = {
    "one process": "In one process",
    "inline": "Shards as threads",
    "processes": "Shards as processes",
    "ray": "Shards on Ray",
}


def signs(results, fault, verb, place):
    """Return four signs, one for each kind of users."""
    return "".join(SIGNS[_outcome(results, Cell(fault, users, verb, place))] for users in USERS)


def _outcome(results, cell):
    found = stand_in(cell)
    kind = fate(found).kind
    return results[found]["outcome"] if kind == "run" else kind


def tables(results):
    """Return the tables, as lines of Markdown."""
    lines = []
    for place in PLACES:
        verbs = VERBS if place == PLACES[0] else SHARDED
        lines += ["", f"### {NAMES[place]}", "", "| fault | " + " | ".join(verbs) + " |", "| --- |" + " --- |" * len(verbs)]
        for fault, words in FAULTS.items():
            found = [signs(results, fault, verb, place) for verb in verbs]
            if any(sign != SIGNS["none"] for cell in found for sign in cell):
                lines.append(f"| {words} | " + " | ".join(f"`{cell}`" for cell in found) + " |")
    return lines


def reasons():
    """Return why cells are not run: a table row a rule, with how many cells it is of."""
    counts = {}
    for cell in cells():
        found = fate(cell)
        key = (found.kind, found.words)
        counts[key] = counts.get(key, 0) + 1
    said = {"none": "makes no sense", "as": "another cell stands for it", "test": "has a test of its own"}
    rows = []
    for rule in dict.fromkeys((rule.kind, rule.words) for rule in RULES):
        words = f"`{rule[1]}`" if rule[0] == "test" else rule[1]
        rows.append(f"| {said[rule[0]]} | {words} | {counts[rule]:,} |")
    rows.append(f"| is run | | {counts['run', '']:,} |")
    return ["| a cell | why | cells |", "| --- | --- | --- |", *rows]


def said(results):
    """Return what the command says: for each fault the lines of the first cells that have different ones."""
    rows = []
    for fault, words in FAULTS.items():
        known = {}
        for cell, result in results.items():
            if cell.fault == fault and result["line"] and cell.verb in ("run", "resume", "report"):
                known.setdefault(result["line"], cell)
        for line, cell in list(known.items())[:1]:
            rows.append(f"| {words}, `{cell.verb}` | {line.replace('|', chr(92) + '|').replace('<', '&lt;')} |")
    return ["| fault | what is said |", "| --- | --- |", *rows]


HEAD = """# What can go wrong

Every way in which a command can be ended or a folder be damaged, with every kind of users, in every verb that takes long,
wherever users are served: {cells:,} cells, none of which is left open. A cell is run, or a test is named that runs it, or
another cell stands for it, or it makes no sense; which of these a rule says.
`python scripts/documentation/fault_matrix_page.py` runs {run} cells, each with the command itself, and writes this page from
what came of them; the tests do the same, and hold the page against it.

A fault must end in the same bytes, or in one line that says what happened and what to do. After what the line says is done, the
same bytes must come out as if nothing had happened; no answer of a language model may have been paid twice, and no file may be
left half-written.

`train`, `speak`, `export`, `report`, `calibrate`, `fit` and `realism` go on or are atomic. What a language model answered is
kept beside what is written (`calibrate`: in `NAME.calls.sqlite` beside `NAME.json`; `realism`: in its folder), so that the same
command goes on. A training goes on from its last checkpoint; where language users are learned from, what they were asked since
that checkpoint is asked again. Everything else is written under another name and renamed, so that there is the old file or the
new one.

## The matrix

Four signs stand in a cell, of choice, language, cascade and replay users:

| sign | meaning |
| --- | --- |
| `=` | ends with the same bytes, and says nothing |
| `→` | is stopped, by a kill or with one line; goes on, by what the line names or the same command, to the same bytes |
| `!` | is refused with one line before anything is changed; once that is mended, the same command comes to the same bytes |
| `t` | a test of its own runs it, see below |
| `·` | makes no sense, see below |
"""
MIDDLE = """
## What is said

What the command says, of the first cell of each fault in `run`, `resume` or `report`; `FOLDER` is the folder.
"""
END = """
## Which cells are run

A fault strikes at an instant that is a function of the cell: before the n-th of the folders that are made, the files that are
flushed or renamed, the answers of the model that are written, and the pages that are told of; `kill -9` at two of them in one
process, everything else at one. Worlds have four users, three pages of three slots and two recommenders; a segment is a page of
everyone. The model is the scripted one behind the HTTP server of `recsim_llm.language.chaos`; a storm makes 40% of its answers
fail, in one of 17 ways.

Full disks and read-only folders are disks of their own, which root alone may mount; without root these cells are not run. A
clock is set back by a day, before which the folder's files have times of tomorrow. The lock of another program is one of SQLite
on `calls.sqlite`. Reports are written by `report` and `speak` alone, and without their figures.
"""


def page(results):
    """Return the whole page."""
    run = sum(fate(cell).kind == "run" for cell in cells())
    parts = [HEAD.format(cells=sum(1 for _ in cells()), run=run).rstrip("\n").split("\n"), tables(results)]
    parts += [MIDDLE.rstrip("\n").split("\n"), [""], said(results), END.rstrip("\n").split("\n"), [""], reasons()]
    return "\n".join(line for part in parts for line in part) + "\n"

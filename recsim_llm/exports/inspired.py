"""Conversations in the layout of INSPIRED: ``inspired.tsv``, an utterance a line.

Columns are those of its ``train.tsv``. Strategies (``expert_label``) are the recommender's: a question is
``opinion_inquiry``, an explanation ``credibility``, anything else ``no_strategy``; nothing was annotated.

Source: S. A. Hayati, D. Kang, Q. Zhu, W. Shi and Z. Yu (2020), INSPIRED: Toward Sociable Recommendation Dialog Systems,
EMNLP; https://github.com/sweetpeach/Inspired.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from recsim_llm.conversation.transcripts import LoggedAct, Transcript
from recsim_llm.core.spreadsheet_text import defused
from recsim_llm.exports.own_names import quote
from recsim_llm.exports.ratings_csv import dated_title
from recsim_llm.exports.source import ExportSource
from recsim_llm.exports.told_conversations import Said, ToldConversations

__all__ = ["INSPIRED_FILE", "write_inspired"]

INSPIRED_FILE = "inspired.tsv"
"""Name of the file in an arm's folder."""

_COLUMNS = (
    *("dialog_id", "utt_id", "speaker", "turn_id", "text", "text_with_placeholder", "movies", "genres", "people_names"),
    *("movie_dict", "genre_dict", "actor_dict", "director_dict", "others_dict", "expert_label", "second_label"),
    *("fine_label", "coarse_label", "movie_id"),
)
_STRATEGIES = {"ask": "opinion_inquiry", "explain": "credibility"}
_MAPPED = ("user_id", "visit", "turn", "who", "value", "text", "item_ids", "item_id")
_LOST = ("arm", "act", "attribute", "critique", "probability", "stop_reason", "on_goal", "goal_item", "satisfaction")
_NOTES = (
    "words are the log's where it has some, else made from the acts by templates; acts without words have no line",
    "expert_label follows from the act, nobody annotated it; second_label, people_names and dictionaries of people are empty",
    "fine_label and coarse_label are accept or reject: users do not watch trailers, so that kinds of acceptance are unknown",
    "movie_id is the item that was accepted, else the one recommended last; turn_id is the log's, 0 for an opening",
    "of attributes and values the genre alone has a column; words tell of the others",
    "semicolons in titles are commas, since they part the titles of a cell",
)


def write_inspired(source: ExportSource, folder: Path) -> dict[str, int]:
    """Write ``inspired.tsv``, in UTF-8, as the module describes it, and ``losses.json``.

    Returns:
        What was written, by name.
    """
    told = ToldConversations(source)
    written = {"conversations": 0, "utterances": 0}
    with (folder / INSPIRED_FILE).open("w", encoding="utf-8", newline="") as stream:
        stream.write("\t".join(_COLUMNS) + "\n")
        for transcript in told:
            for row in _rows(source, told, transcript):
                stream.write("\t".join(quote(defused(row[name]), "\t") for name in _COLUMNS) + "\n")
                written["utterances"] += 1
            written["conversations"] += 1
    told.write_losses(folder, "inspired", written["conversations"], mapped=_MAPPED, lost=_LOST, notes=_NOTES)
    return written


def _rows(source: ExportSource, told: ToldConversations, transcript: Transcript) -> Iterator[dict[str, str]]:
    items = list(dict.fromkeys(item for act in transcript.acts for item in act.items))
    titles = {item: _titled(source, item) for item in items}
    genres = list(dict.fromkeys(genre for act in transcript.acts if (genre := _genre(act))))
    whole = {
        "dialog_id": f"{source.user_label(transcript.user_id)}-{transcript.visit}",
        "movie_dict": repr({title: place for place, title in enumerate(titles.values())}),
        "genre_dict": repr({genre: place for place, genre in enumerate(genres)}),
        **dict.fromkeys(("actor_dict", "director_dict", "others_dict"), "{}"),
        **_outcome(told, transcript),
    }
    blank = told.say(transcript, named=lambda item: f"[MOVIE_TITLE_{items.index(item)}]")
    pairs = [(said, other.text) for said, other in zip(told.say(transcript), blank, strict=True) if said.text]
    for number, (said, without) in enumerate(pairs, 1):
        yield dict.fromkeys(_COLUMNS, "") | whole | _utterance(said, without, titles, genres) | {"utt_id": str(number)}


def _utterance(said: Said, without: str, titles: dict[int, str], genres: Sequence[str]) -> dict[str, str]:
    act, genre = said.act, _genre(said.act)
    recommender = act.who == "policy"
    if genre:
        mark: Callable[[re.Match[str]], str] = lambda _: f"[MOVIE_GENRE_{genres.index(genre)}]"  # noqa: E731
        without = re.sub(rf"(?<!\w){re.escape(genre)}(?!\w)", mark, without)
    return {
        "speaker": "RECOMMENDER" if recommender else "SEEKER",
        "turn_id": str(act.turn),
        "text": _line(said.text),
        "text_with_placeholder": _line(without),
        "movies": "; ".join(titles[item] for item in act.items),
        "genres": genre or "",
        "expert_label": _STRATEGIES.get(act.act, "no_strategy") if recommender else "",
    }


def _outcome(told: ToldConversations, transcript: Transcript) -> dict[str, str]:
    shown = [item for act in transcript.acts if act.act == "recommend" for item in act.items]
    last = transcript.accepted if transcript.accepted is not None else shown[-1] if shown else None
    label = "reject" if transcript.accepted is None else "accept"
    return {"fine_label": label, "coarse_label": label, "movie_id": "" if last is None else str(told.label(last))}


def _genre(act: LoggedAct) -> str | None:
    return act.value if act.attribute == "genre" else None


def _titled(source: ExportSource, item: int) -> str:
    return _line(dated_title(source, source.place_of(item))).replace(";", ",")


def _line(text: str) -> str:
    return " ".join(text.split())

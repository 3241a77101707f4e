"""Readers of dialogues in JSON: CRSArena-Dial, ReDial, and what ``recsim-llm export`` writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Literal

from pydantic import AllowInfNan, BaseModel, ConfigDict, Field, ValidationError

from recsim_llm.core.files import parse_json
from recsim_llm.errors import DataError
from recsim_llm.realism.dialogues.dialogue_samples import ToldDialogue, Utterance, tell

__all__ = ["read_crsarena", "read_own", "read_redial"]

_SENTIMENTS = {"satisfied": 1.0, "frustrated": 0.0}
_UNHEARD = ("nothing", "silent")
_SEEN, _LIKED = 1, 1

Level = Annotated[float, AllowInfNan(False), Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True)


class _ArenaUtterance(_Part):
    participant: str
    utterance: str


class _Arena(_Part):
    conversation: list[_ArenaUtterance]
    metadata: dict[str, Any] | None = None


class _Labels(_Part):
    suggested: int
    seen: int
    liked: int


class _Message(_Part):
    text: str
    senderWorkerId: int  # noqa: N815 (ReDial's name)


# Where nobody answered, ReDial has an empty list in place of the labels.
_Questions = dict[str, _Labels] | Annotated[list[Any], Field(max_length=0)]


class _ReDial(_Part):
    initiatorWorkerId: int  # noqa: N815 (ReDial's name)
    messages: list[_Message]
    initiatorQuestions: _Questions = {}  # noqa: N815 (ReDial's name)
    respondentQuestions: _Questions = {}  # noqa: N815 (ReDial's name)


class _OwnAct(_Part):
    who: Literal["user", "policy"]
    act: str


class _Own(_Part):
    acts: list[_OwnAct]
    ended: str
    satisfaction: Level
    turn_satisfaction: list[Level]


def read_crsarena(text: str) -> Iterator[ToldDialogue | None]:
    """Yield the dialogues of CRSArena-Dial; a sentiment other than its two is unknown satisfaction.

    Raises:
        DataError: it is none.
    """
    with _naming("the file"):
        whole = parse_json(text)
    if not isinstance(whole, list):
        raise DataError(f"got {type(whole).__name__}, expected a JSON list of dialogues")
    for number, content in enumerate(whole, 1):
        with _naming(f"dialogue {number}"):
            one = _Arena.model_validate(content)
            sentiment = (one.metadata or {}).get("sentiment")
            yield tell(
                [Utterance(said.participant.upper() == "USER", said.utterance) for said in one.conversation],
                satisfaction=_SENTIMENTS.get(sentiment.strip().lower()) if isinstance(sentiment, str) else None,
            )


def read_redial(text: str) -> Iterator[ToldDialogue | None]:
    """Yield the dialogues of ReDial; the seeker's labels say what was accepted, or where it gave none, the recommender's.

    Raises:
        DataError: a line is none.
    """
    for place, line in _lines(text):
        with _naming(place):
            one = _ReDial.model_validate(parse_json(line))
            labels = one.initiatorQuestions or one.respondentQuestions
            yield tell(
                [Utterance(said.senderWorkerId == one.initiatorWorkerId, said.text) for said in one.messages],
                accepted=_accepted(labels) if isinstance(labels, Mapping) and labels else None,
            )


def _accepted(labels: Mapping[str, _Labels]) -> bool:
    return any(label.suggested == 1 and label.seen != _SEEN and label.liked == _LIKED for label in labels.values())


def read_own(text: str) -> Iterator[ToldDialogue | None]:
    """Yield the dialogues of ``conversations.jsonl``.

    Raises:
        DataError: a line is none.
    """
    for place, line in _lines(text):
        with _naming(place):
            one = _Own.model_validate(parse_json(line))
            yield tell(
                [Utterance(act.who == "user", "", (act.act,)) for act in one.acts if act.act not in _UNHEARD],
                accepted=one.ended == "accepted",
                satisfaction=one.satisfaction,
                turn_satisfaction=one.turn_satisfaction,
            )


def _lines(text: str) -> Iterator[tuple[str, str]]:
    # Not splitlines: JSON may hold the other characters that it parts lines at.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield f"line {number}", line


@contextmanager
def _naming(place: str) -> Iterator[None]:
    """Say in one line where what is wrong stands."""
    try:
        yield
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise DataError(f"{place}: got {where} of which {first['msg'].lower()}; check the file") from error
    except DataError as error:
        raise DataError(f"{place}: {error}") from error
    except ValueError as error:
        raise DataError(f"{place}: got {' '.join(str(error).split())[:100]}, expected JSON; check the file") from error

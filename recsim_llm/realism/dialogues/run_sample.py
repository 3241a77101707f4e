"""The dialogues of a run whose users talk, as they are compared with people's."""

from __future__ import annotations

from pathlib import Path

from recsim_llm.conversation.transcripts import Transcript, read_transcripts
from recsim_llm.errors import ConfigError, one_of
from recsim_llm.log.reader import RunReader, open_run
from recsim_llm.realism.dialogues.dialogue_samples import DialogueSample, ToldDialogue, Utterance, tell

__all__ = ["sample_run"]

_UNHEARD = ("nothing", "silent")


def sample_run(run: Path, part: str | None = None) -> DialogueSample:
    """Read the dialogues that are over of one recommender's users.

    Args:
        run: folder of the run.
        part: name of the recommender; None where there is only one.

    Raises:
        LogError: the folder is no run, or nobody talks in it.
        ConfigError: the recommender is unknown, or one must be named.
        DataError: no user said anything.
    """
    log = open_run(run)
    arm = _arm(log, part)
    found = [_told(transcript) for transcript in read_transcripts(log, arm)]
    silent = found.count(None)
    return DialogueSample(
        name=f"users of {run.name}, {arm}",
        form="run",
        fingerprint=str(log.manifest["population"]["fingerprint"])[:16],
        dialogues=tuple(dialogue for dialogue in found if dialogue is not None),
        notes=(f"{silent} dialogues in which the user says nothing are left out",) if silent else (),
    )


def _arm(log: RunReader, part: str | None) -> str:
    arms = log.begun_arms
    if part is None and len(arms) == 1:
        return arms[0]
    if part not in arms:
        got = "several recommenders" if part is None else repr(part)
        raise ConfigError(f"--part: got {got}, expected {one_of(part or '', arms)}")
    return part


def _told(transcript: Transcript) -> ToldDialogue | None:
    return tell(
        [Utterance(act.who == "user", "", (act.act,)) for act in transcript.acts if act.act not in _UNHEARD],
        accepted=transcript.accepted is not None,
        satisfaction=transcript.satisfaction,
        turn_satisfaction=transcript.turn_satisfaction,
    )

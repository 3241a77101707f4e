"""Which act a user's utterance is: by its label where a file was annotated, else by its words, and where neither tells, none.

The acts are those of simulated users that can be heard, and ``other`` for what these never say: greetings, thanks, questions
about an item. Words are read by patterns of English; an utterance in which several match has several acts, one that both
accepts and refuses has none, since the rule cannot tell, and one that changes its mind is no answer besides. What stands in
quotes or as ``@movieId`` is a title, whatever its words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from recsim_llm.conversation.acts import USER_ACTS

__all__ = ["ACCEPTS", "ACTS", "LABELS", "read_act", "read_label"]

_OTHER = "other"
ACTS = (*USER_ACTS[1:], _OTHER)
"""What an utterance can do: ``answer``, ``critique``, ``accept``, ``refuse``, ``change_mind``, ``leave``, ``other``."""
ACCEPTS = ACTS.index("accept")
"""The act that a dialogue succeeds by."""
_REFUSES, _ANSWERS, _CHANGES = (ACTS.index(act) for act in ("refuse", "answer", "change_mind"))

LABELS: Mapping[str, tuple[str, ...]] = {
    "answer": (
        # This package's own name, Sun et al. 2021 (of SGD and MultiWOZ), Cai & Chen 2020 (IARD).
        *("answer", "inform", "inform_intent", "iqu", "ref", "pro", "ans"),
        *("initial query", "reformulate", "provide preference"),
    ),
    "critique": ("critique", "cri-f", "cri-a", "cri-c", "critique-feature", "critique-add", "critique-compare"),
    "accept": ("accept", "select", "affirm", "affirm_intent", "acc"),
    "refuse": ("refuse", "negate", "negate_intent", "request_alts", "rej", "reject"),
    "change_mind": ("change_mind", "sto", "start over"),
    "leave": ("leave", "goodbye", "bye"),
    "other": (
        *("other", "others", "request", "thank_you", "thank", "greet", "con", "ask", "see", "inq", "nre"),
        *("continue", "ask opinion", "seen", "inquire", "neutral response"),
    ),
}
"""Labels of published files by act; of a label such as ``Hotel-Inform`` the last part counts, but for the critiques."""
_OF_LABEL = {label: ACTS.index(act) for act, labels in LABELS.items() for label in labels}

_LONGEST = 2_000
_IT = r"(?:it|this|that|them|these|those|(?:that|this) one)"
_WILL = r"(?:i'?ll|i will|i'?m going to|i am going to|i think i'?ll|i think i will)"
_PATTERNS: Mapping[str, str] = {
    "leave": (
        r"\b(?:bye|goodbye|good bye|good night|see (?:you|ya)|take care|i am leaving|i'm leaving|gotta go|got to go|have to go"
        r"|have a (?:good|great|nice|wonderful) (?:day|night|one|evening|weekend|time))\b"
    ),
    "change_mind": (
        r"\b(?:changed my mind|change my mind|on second thought|something else (?:now|instead|entirely)"
        r"|try something (?:else|different))\b"
    ),
    "critique": (
        r"^(?:less|more) .{1,80}, please\b|^not .{1,200}, please\b|\btoo \w+ for (?:me|us|my)\b"
        r"|\b(?:something|anything) (?:less|more|newer|older|lighter|darker|funnier|scarier|shorter|longer|recent)\b"
        r"|\bmore recent\b|\b(?:something|anything) not (?:so|too|as)\b"
    ),
    "refuse": (
        rf"\bnone of (?:these|those|them)\b|\bno,? thank|\bnot (?:really )?interested\b|\bnot for me\b"
        rf"|\bnot (?:really )?my (?:thing|taste|type|style|cup)\b|\bpass on {_IT}\b"
        rf"|\b(?:do not|don'?t|did not|didn'?t) (?:really |much )?(?:want|like|love|enjoy|care for) {_IT}\b"
        rf"|\bi (?:hate|hated|dislike|disliked) {_IT}\b"
    ),
    "accept": (
        rf"\b{_WILL} (?:\w+ ){{0,2}}?(?:watch|check|try|see|rent|take|add|queue|look (?:for|into)|give {_IT} a)\b"
        rf"|\bi take\b|\bi accept\b|\bsounds (?:good|great|interesting|perfect|awesome|fun|amazing)\b"
        rf"|\b(?:would|i'd) (?:love|like) to (?:watch|see|try) {_IT}\b|\bwant to (?:watch|see|try) {_IT}\b"
    ),
    "answer": (
        r"\blooking for\b|\bin the mood for\b|\brecommend me\b|\bmy favou?rite\b|\bsomething like\b"
        r"|\b(?:can|could|would) you (?:please )?(?:recommend|suggest|help)\b|\bdo you know (?:any|of|a)\b"
        rf"|\bi (?:really |also |usually |generally |mostly |do )?(?:like|love|enjoy|prefer|want|need) (?!{_IT}\b|to\b)\w"
    ),
}
_RULES = {ACTS.index(act): re.compile(pattern) for act, pattern in _PATTERNS.items()}
_TITLE = re.compile(r"@\d+|(?:(?<=\s)|^)(['\"]).{1,100}?\1(?=[\s.,?!]|$)")
_GREETING = re.compile(
    r"(?:hi|hello|hey|hiya|good (?:morning|afternoon|evening)|thanks|thank you|ok|okay|cool|great|lol|you too|how are you"
    r"|so much|very much|there|for (?:the|your) (?:help|suggestions?|recommendations?)|[\W_])+"
)
_DENIED = re.compile(rf"\b(?:don'?t|do not) think {_WILL}|\b(?:won'?t|will not)\b")


def read_act(text: str) -> tuple[int, ...]:
    """Return the acts of an utterance by its words, as places in ``ACTS``; empty where they do not tell.

    Args:
        text: in English; of a longer one the first 2,000 characters count.

    Examples:
        >>> [ACTS[act] for act in read_act("I'm looking for a comedy.")]
        ['answer']
        >>> read_act("It was set in my home town")
        ()
    """
    plain = _TITLE.sub("title", " ".join(text[:_LONGEST].lower().replace("’", "'").split()))
    found = {act for act, rule in _RULES.items() if rule.search(plain)}
    if _CHANGES in found:
        found.discard(_ANSWERS)
    if ACCEPTS in found and (_REFUSES in found or _DENIED.search(plain)):
        return ()
    if found:
        return tuple(sorted(found))
    asks = plain.endswith("?")
    return (ACTS.index(_OTHER),) if asks or _GREETING.fullmatch(plain) else ()


def read_label(labels: Sequence[str]) -> tuple[int, ...]:
    """Return the acts that annotators named, as places in ``ACTS``; empty where ``LABELS`` knows none of them."""
    names = [label.strip().lower() for label in labels]
    known = [_OF_LABEL.get(name, _OF_LABEL.get(name.rpartition("-")[2])) for name in names]
    return tuple(sorted({act for act in known if act is not None}))

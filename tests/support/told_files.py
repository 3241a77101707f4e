"""Small files of dialogues in the formats in which people's are published, all invented."""

import json

HEADS = (
    "dialog_id\tutt_id\tspeaker\tturn_id\ttext\ttext_with_placeholder\tmovies\tgenres\tpeople_names\tmovie_dict\tgenre_dict\t"
    "actor_dict\tdirector_dict\tothers_dict\texpert_label\tsecond_label\tfine_label\tcoarse_label\tmovie_id"
)


def arena(*dialogues):
    """CRSArena-Dial: each dialogue a sentiment and lines, ``U:`` or ``A:`` first."""
    whole = []
    for number, (sentiment, *lines) in enumerate(dialogues):
        said = [
            {
                "participant": "USER" if line[0] == "U" else "AGENT",
                "utterance": line[2:],
                "utterance ID": f"crs_{number}_{place}",
            }
            for place, line in enumerate(lines)
        ]
        whole.append(
            {
                "conversation ID": f"crs_{number}",
                "agent": {"id": "crs", "type": "AGENT"},
                "user": {"id": str(number), "type": "USER"},
                "conversation": said,
                "metadata": {"sentiment": sentiment},
            }
        )
    return json.dumps(whole)


def redial_line(*lines, labels=None, respondent=None, **changes):
    """ReDial: a dialogue of lines, ``U:`` or ``A:`` first, with labels by movie: suggested, seen, liked."""
    names = ("suggested", "seen", "liked")
    asked = [{m: dict(zip(names, label, strict=True)) for m, label in (given or {}).items()} for given in (labels, respondent)]
    messages = [
        {"timeOffset": place, "text": line[2:], "senderWorkerId": 7 if line[0] == "U" else 8, "messageId": place}
        for place, line in enumerate(lines)
    ]
    content = {
        "conversationId": "391",
        "messages": messages,
        "movieMentions": dict.fromkeys(labels or (), "A Film (1999)"),
        "initiatorWorkerId": 7,
        "respondentWorkerId": 8,
        "initiatorQuestions": asked[0] or [],
        "respondentQuestions": asked[1] or [],
    }
    return json.dumps(content | changes)


def inspired(*rows):
    """INSPIRED: rows of dialogue, speaker, text and outcome."""
    lines = [HEADS]
    for number, (dialogue, speaker, text, outcome) in enumerate(rows):
        cells = [dialogue, str(number), speaker, "1", text, text, "", "", "", "{}", "{}", "{}", "{}", "", "", ""]
        lines.append("\t".join([*cells, outcome, outcome, "x"]))
    return "\n".join(lines) + "\n"


SATISFACTION = """
USER\tHi, I'm looking for a comedy\tINFORM\t3,3,4
SYSTEM\tHow about The Kites?\tOFFER\t
USER\tWho plays in it?\t\t4,3
USER\tI'll watch it, thanks\tSELECT,THANK_YOU\t5,5,4
USER\tOVERALL\t\t4,4,5

system\thello\t\t
user\tI had an aunt in Leeds\t\t2,2
USER\tOVERALL\t\t2
"""

"""Replies as models really write them: each with the answers that it gives, or the cause why it gives none."""

from typing import NamedTuple

from recsim_llm.language.base.questions import choice, number, score, short_text, yes_no

PAGE = (
    yes_no("click_1", "Would you click item 1?"),
    yes_no("click_10", "Would you click item 10?"),
    score("stars_1", "How many stars would you give item 1?"),
    number("minutes", "How many minutes would you watch?", 0, 20),
    choice("pick", "Which genre next?", ("Comedy", "Drama", "A war film")),
)
REMARK = (yes_no("leave", "Would you leave now?"), short_text("comment", "What do you think of the page?"))
LONE = (score("stars_1", "How many stars would you give item 1?"),)
CHILL = (number("degrees", "How cold is it?", -9, 9),)

RIGHT = {"click_1": "yes", "click_10": "no", "stars_1": "4", "minutes": "12", "pick": "Drama"}
LINES = "click_1: yes\nclick_10: no\nstars_1: 4\nminutes: 12\npick: B"
ROWS = LINES.split("\n")
LISTED = (
    "- click_1 (yes or no): Would you click item 1?\n- click_10 (yes or no): Would you click item 10?\n"
    "- stars_1 (1 to 5): How many stars would you give item 1?\n"
    "- minutes (0 to 20): How many minutes would you watch?\n"
    "- pick (A: Comedy; B: Drama; C: A war film): Which genre next?"
)
TWENTY_ONE = [5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 12, 5, 5, 5, 5, 5, 3, 0, 0]
OBJECT = f'{{"click_1": 70, "click_10": 20, "stars_1": [0, 0, 20, 60, 20], "minutes": {TWENTY_ONE}, "pick": [20, 50, 30]}}'


class Reply(NamedTuple):
    """One reply and what it must be read as."""

    name: str
    form: str
    text: str
    expected: dict[str, str] | str
    """The value of each answer, or a cause."""
    questions: tuple = PAGE
    finish: str = "stop"
    refusal: str = ""


def lines(name, text, expected=RIGHT, **rest):
    return Reply(name, "labels", text, expected, **rest)


def wrong(name, old, new, cause):
    """Return the right lines with one answer changed for the worse."""
    assert old in LINES
    return Reply(name, "labels", LINES.replace(old, new), cause)


def right(name, old, new):
    """Return the right lines with one answer put in other words."""
    assert old in LINES
    return Reply(name, "labels", LINES.replace(old, new), RIGHT)


def data(name, text, expected=RIGHT, **rest):
    return Reply(name, "json", text, expected, **rest)


def spoilt(name, old, new, expected):
    assert old in OBJECT
    return Reply(name, "json", OBJECT.replace(old, new), expected)


LABELS = [
    lines("as asked", LINES),
    lines("line break at the end", LINES + "\n"),
    lines("windows line breaks", LINES.replace("\n", "\r\n")),
    lines("code fence", f"```\n{LINES}\n```"),
    lines("code fence with a language", f"```text\n{LINES}\n```\nHope this helps!"),
    lines("thoughts before", f"<think>click_1: no\nOr yes?\n</think>\n{LINES}"),
    lines("thoughts whose start is not marked", f"Hmm, click_1: no, stars_1: 2.\n</think>\n\n{LINES}"),
    lines("thoughts twice", f"<think>a</think><THINKING>click_1: no</THINKING>{LINES}"),
    lines("channels", f"<|channel|>analysis<|message|>click_1: no<|end|><|channel|>final<|message|>{LINES}<|return|>"),
    lines("end-of-text token", LINES + "<|im_end|>"),
    lines("thoughts without an end", "<think>click_1: yes\nclick_10: no", "no_answer"),
    lines("thoughts without an end, cut off", "<think>click_1: yes\nclick_10: no", "cut_off", finish="length"),
    lines("prose before", f"Sure! Here is what I would do:\n\n{LINES}"),
    lines("prose before that ends in the first line", "Here are my answers: " + LINES),
    lines("prose after", f"{LINES}\n\nI like dramas, so leaving is not on my mind. Let me know!"),
    lines("bold keys", LINES.replace("click_1:", "**click_1**:").replace("pick:", "**pick:**")),
    lines("bold keys and answers", "\n".join(f"**{line.replace(': ', ':** **')}**" for line in ROWS)),
    lines("bullets", "\n".join(f"* {line}" for line in ROWS)),
    lines("bullets of another kind", "\n".join(f"  • {line}" for line in ROWS)),
    lines("numbering", "\n".join(f"{n}. {line}" for n, line in enumerate(ROWS, 1))),
    lines("numbering with parentheses", "\n".join(f"({n}) {line}" for n, line in enumerate(ROWS, 1))),
    lines("numbering of questions", "\n".join(f"Q{n}: {line}" for n, line in enumerate(ROWS, 1))),
    lines("headings", "\n\n".join("### " + line.replace(": ", "\n") for line in ROWS), "no_answer"),
    lines("answers on the next line", LINES.replace(": ", ":\n")),
    lines("answers as bullets below", LINES.replace(": ", ":\n  - ")),
    lines("dashes", LINES.replace(": ", " - ")),
    lines("long dashes", LINES.replace(": ", " — ")),
    lines("arrows", LINES.replace(": ", " -> ")),
    lines("equal signs", LINES.replace(": ", "=")),
    lines("blanks only", LINES.replace(": ", " ")),
    lines("tabs", LINES.replace(": ", "\t")),
    lines("comma-separated values", "key,answer\n" + LINES.replace(": ", ",")),
    lines("full-width colons", LINES.replace(": ", "：")),
    lines("full-width everything", LINES.translate({n: n + 0xFEE0 for n in range(0x21, 0x7F)})),
    lines("no-break blanks", LINES.replace(" ", "\u00a0")),
    lines("capitals", LINES.upper()),
    lines("blanks for underscores", LINES.replace("_", " ").title()),
    lines("dashes for underscores", LINES.replace("_", "-")),
    lines("escaped underscores", LINES.replace("_", "\\_")),
    lines("code marks", "\n".join("`" + line.replace(": ", "`: `") + "`" for line in ROWS)),
    lines("answers in square brackets", LINES.replace(": ", ": [").replace("\n", "]\n") + "]"),
    lines("answers in angle brackets", LINES.replace(": ", ": <").replace("\n", ">\n") + ">"),
    lines("titles in parentheses", LINES.replace(":", " (Heat, 1995):")),
    lines("questions and answers", "\n".join(f"{a} {b.split(': ')[1]}" for a, b in zip(LISTED.split("\n"), ROWS, strict=True))),
    lines("table", "| key | answer |\n|---|---|\n" + "\n".join(f"| {line.replace(': ', ' | ')} |" for line in ROWS)),
    lines("table with row numbers", "\n".join(f"| {n} | {x.replace(': ', ' | ')} |" for n, x in enumerate(ROWS))),
    lines("one line", LINES.replace("\n", ", ")),
    lines("one line with semicolons", LINES.replace("\n", "; ") + "."),
    lines("shuffled", "\n".join(reversed(ROWS))),
    lines("twice the same", f"{LINES}\n\nSo, to sum up:\n{LINES}"),
    lines("reasons first", f"click_1: I like crime, so this is for me.\n\n{LINES}"),
    lines("questions repeated, then answered", f"{LISTED}\n\n{LINES}"),
    lines("as JSON", '{"click_1": "yes", "click_10": "No", "stars_1": 4, "minutes": "12", "pick": "B"}'),
    lines(
        "as fenced JSON",
        '```json\n{\n "click_1": true,\n "click_10": false,\n "stars_1": 4.0,\n "minutes": 12,\n "pick": "Drama",\n}```',
    ),
    lines("as a list of pairs", str([{"key": line.split(": ")[0], "answer": line.split(": ")[1]} for line in ROWS])),
    lines("as JSON, cut off", '{"click_1": "yes", "click_10": "no", "stars_1": "4", "min', "cut_off", finish="length"),
    lines(
        "as JSON, contradictory",
        '{"click_1": "yes", "click_1": "no", "click_10": "no", "stars_1": 4, "minutes": 1, "pick": "B"}',
        "contradiction",
    ),
    right("full stop", "click_1: yes", "click_1: Yes."),
    right("exclamation", "click_1: yes", "click_1: YES!!"),
    right("reason", "click_1: yes", "click_1: Yes, because it is no horror"),
    right("reason in parentheses", "click_10: no", "click_10: no (not my genre)"),
    right("reason after a dash", "click_10: no", "click_10: No - too long for me"),
    right("true", "click_1: yes", "click_1: True"),
    right("level of levels", "stars_1: 4", "stars_1: 4/5"),
    right("level out of levels", "stars_1: 4", "stars_1: 4 out of 5 stars"),
    right("level with stars", "stars_1: 4", "stars_1: 4 stars"),
    right("level with decimals", "stars_1: 4", "stars_1: 4.0"),
    right("level in words", "stars_1: 4", "stars_1: four"),
    right("level in pictures", "stars_1: 4", "stars_1: ★★★★☆"),
    right("letter and text", "pick: B", "pick: B) Drama"),
    right("letter, colon and text", "pick: B", "pick: b: drama"),
    right("letter in parentheses", "pick: B", "pick: (B)"),
    right("option before the letter", "pick: B", "pick: Option B."),
    right("text for the letter", "pick: B", "pick: Drama"),
    right("text with a reason", "pick: B", "pick: drama, since I cry easily"),
    lines("text that begins with a letter", LINES.replace("pick: B", "pick: A war film"), RIGHT | {"pick": "A war film"}),
    lines("fewest minutes", LINES.replace("minutes: 12", "minutes: 0"), RIGHT | {"minutes": "0"}),
    wrong("level above", "stars_1: 4", "stars_1: 6", "out_of_range"),
    wrong("level below", "stars_1: 4", "stars_1: 0", "out_of_range"),
    wrong("level of another scale", "stars_1: 4", "stars_1: 4/10", "not_an_option"),
    wrong("minus", "minutes: 12", "minutes: -12", "out_of_range"),
    wrong("number too large to count", "minutes: 12", "minutes: " + "9" * 300, "out_of_range"),
    wrong("number too large to write", "minutes: 12", "minutes: " + "9" * 5000, "not_an_option"),
    wrong("between levels", "stars_1: 4", "stars_1: 4.5", "not_an_option"),
    wrong("two levels", "stars_1: 4", "stars_1: 4 or 5", "not_an_option"),
    wrong("range of levels", "stars_1: 4", "stars_1: 3-4", "not_an_option"),
    wrong("decimal comma", "stars_1: 4", "stars_1: 4,5", "not_an_option"),
    wrong("about", "stars_1: 4", "stars_1: ~4", "not_an_option"),
    wrong("less than", "stars_1: 4", "stars_1: <4", "not_an_option"),
    wrong("struck out", "click_1: yes", "click_1: ~~yes~~ no", "not_an_option"),
    wrong("percentage", "click_1: yes", "click_1: 70%", "not_an_option"),
    wrong("percentage of a level", "stars_1: 4", "stars_1: 4%", "not_an_option"),
    wrong("maybe", "click_1: yes", "click_1: maybe", "not_an_option"),
    wrong("yes and no", "click_1: yes", "click_1: yes and no", "not_an_option"),
    wrong("yes, then no", "click_1: yes", "click_1: yes, but then again no", "not_an_option"),
    wrong("yes with a question mark", "click_1: yes", "click_1: yes?", "not_an_option"),
    wrong("no idea", "click_10: no", "click_10: no idea", "not_an_option"),
    wrong("another language", "click_1: yes", "click_1: はい", "not_an_option"),
    wrong("unknown letter", "pick: B", "pick: D", "not_an_option"),
    wrong("two letters", "pick: B", "pick: A or B", "not_an_option"),
    wrong("letter and another's text", "pick: B", "pick: B) Comedy", "not_an_option"),
    wrong("letter in a sentence", "pick: B", "pick: A thriller", "not_an_option"),
    wrong("none of them", "pick: B", "pick: none of these", "not_an_option"),
    wrong("no key", "pick: B", "genre: B", "missing"),
    wrong("empty answer", "click_10: no", "click_10:", "missing"),
    wrong("placeholder", "click_1: yes", "click_1: yes or no", "missing"),
    wrong("one key of two", "click_10: no", "click_100: no", "missing"),
    lines("contradiction", LINES + "\nclick_1: no", "contradiction"),
    lines("out of range, then right", "stars_1: 9\n" + LINES, "out_of_range"),
    lines("key inside a sentence", LINES.replace("click_10: no", "I would say of click_10: no"), "missing"),
    lines("two keys for one answer", LINES.replace("click_1: yes\nclick_10: no", "click_1, click_10: no"), "missing"),
    lines("answers without keys", "yes\nno\n4\n12\nB", "no_answer"),
    lines("answers as a bare list", '["yes", "no", 4, 12, "B"]', "no_answer"),
    lines("chatter", "What a lovely evening!", "no_answer"),
    lines("nothing", "", "empty"),
    lines("blanks", " \n\t\n", "empty"),
    lines("nothing before the limit", "", "cut_off", finish="length"),
    lines("cut off after three", "click_1: yes\nclick_10: no\nstars_1: 4\nmin", "cut_off", finish="length"),
    lines("cut off inside a number", "pick: B\nclick_1: yes\nclick_10: no\nstars_1: 4\nminutes: 1", "cut_off", finish="length"),
    lines("complete at the limit", LINES, finish="length"),
    lines("stopped early", "click_1: yes\nclick_10: no", "missing"),
    lines("questions repeated", LISTED, "echo"),
    lines("questions repeated without bullets", LISTED.replace("- ", ""), "echo"),
    lines("questions repeated without hints", LISTED.replace(" (yes or no)", "").replace(" (1 to 5)", ""), "echo"),
    lines("hints for answers", "click_1: (yes or no)\nstars_1: 1 to 5\npick: ...", "echo"),
    lines("refusal", "I'm sorry, but I can't pretend to be a person.", "refusal"),
    lines("refusal in curly quotes", "I’m sorry, I can’t assist with that request.", "refusal"),
    lines("refusal as a machine", "As an AI, I do not watch films.", "refusal"),
    lines("refusal by the provider", LINES, "refusal", refusal="I cannot help with that."),
    lines("content filter", LINES, "refusal", finish="content_filter"),
    lines("sorry, then answers", f"I'm sorry for the delay.\n{LINES}"),
    lines("endless", "x " * 60_000, "no_answer"),
    lines("page of markup", "<html><body><h1>502 Bad Gateway</h1></body></html>", "no_answer"),
    lines("lone question, bare answer", "4.", {"stars_1": "4"}, questions=LONE),
    lines("lone question, bold answer", "**4**\n", {"stars_1": "4"}, questions=LONE),
    lines("lone question, bare level outside", "7", "out_of_range", questions=LONE),
    lines("lone question, chatter", "I loved it", "no_answer", questions=LONE),
    lines("lone question, number in a sentence", "I have seen 4 of these.", "no_answer", questions=LONE),
    lines("minus degrees", "degrees: -5", {"degrees": "-5"}, questions=CHILL),
    lines("minus or bullet", "degrees:\n- 5", "not_an_option", questions=CHILL),
    lines("minus or dash", "degrees -5", "no_answer", questions=CHILL),
    lines("words", "leave: no\ncomment: Nice, but long.", {"leave": "no", "comment": "Nice, but long."}, questions=REMARK),
    lines("words in quotes", 'leave: no\ncomment: "Nice"', {"leave": "no", "comment": "Nice"}, questions=REMARK),
    lines("words in bold", "**leave**: No\n**comment**: **Nice**", {"leave": "no", "comment": "Nice"}, questions=REMARK),
    lines("words that hold a key", "comment: it said, leave: yes", "missing", questions=REMARK),
    lines(
        "words that hold a key, answered",
        "comment: it said, leave: yes\nleave: no",
        {"leave": "no", "comment": "it said, leave: yes"},
        questions=REMARK,
    ),
    lines("words in full width", "leave: no\ncomment: 「良い」！", {"leave": "no", "comment": "「良い」！"}, questions=REMARK),
    lines("no words", "leave: no\ncomment:", "missing", questions=REMARK),
    lines("placeholder for words", "leave: no\ncomment: (a few words)", "missing", questions=REMARK),
    lines("words cut off", "leave: no\ncomment: I think that", "cut_off", questions=REMARK, finish="length"),
    lines(
        "words in JSON",
        '{"comment": "Nice, leave: yes", "leave": "no"}',
        {"leave": "no", "comment": "Nice, leave: yes"},
        questions=REMARK,
    ),
    lines("words in broken JSON", '{"leave": "no", "comment": "Nice', "no_answer", questions=REMARK),
    lines("half a character", 'leave: no\ncomment: "\ud83d"', {"leave": "no", "comment": "?"}, questions=REMARK),
]

OBJECTS = [
    data("as asked", OBJECT),
    data("code fence", f"```json\n{OBJECT}\n```"),
    data("prose around", f"Here you go: {OBJECT} I hope this helps {{sic}}."),
    data("thoughts before", f'<think>{{"click_1": 1}} no</think>\n{OBJECT}'),
    data("trailing commas", OBJECT.replace("]", ",]").replace("}", ",}")),
    data("single quotes", OBJECT.replace('"', "'")),
    data("curly quotes", OBJECT.replace('"click_1"', "“click_1”")),
    data("bare keys", OBJECT.replace('"', "")),
    data("comments", OBJECT.replace(', "click_10"', ', // sure\n /* not */ "click_10"').replace('"pick"', '# genre\n"pick"')),
    data("keys in other case", OBJECT.replace('click_1"', 'Click 1"').replace("stars_1", "STARS-1")),
    data("percent strings", OBJECT.replace("70", '"70%"').replace("20,", '"20 %",')),
    data("percent signs", OBJECT.replace("70", "70%")),
    data("number strings", OBJECT.replace("70", '"70"')),
    data("wrapper", f'{{"answers": {OBJECT}}}'),
    data("wrapper with more", f'{{"reasoning": "I like it", "notes": [1, {{}}], "answers": {OBJECT}}}'),
    data("in a list", f"[{OBJECT}]"),
    data("groups", OBJECT.replace('"stars_1"', '"levels": {"stars_1"').replace('"pick"', '"more": {"pick"') + "}}"),
    data(
        "list of pairs",
        f'[{{"key": "click_1", "value": 70}}, {{"key": "click_10", "value": 20}}, {OBJECT.replace("70,", "70, ")}]',
    ),
    data("values with reasons", OBJECT.replace("70", '{"value": 70, "reason": "crime"}')),
    data("values in objects", OBJECT.replace("70", '{"yes": 70, "no": 30}')),
    data("options by name", OBJECT.replace("[20, 50, 30]", '{"Comedy": 20, "Drama": 50, "A war film": 30}')),
    data("options by letter", OBJECT.replace("[20, 50, 30]", '{"A": 20, "B": 50, "C": 30}')),
    data("levels by name", OBJECT.replace("[0, 0, 20, 60, 20]", '{"5": 20, "4": 60, "3": 20, "2": 0, "1": 0}')),
    data("more keys", OBJECT.replace("}", ', "mood": "good", "stars_2": [1], "none": null}')),
    data("sum of 99, as three thirds have it", OBJECT.replace("[20, 50, 30]", "[20, 50, 29]")),
    data("sum of 90", OBJECT.replace("[20, 50, 30]", "[15, 50, 25]"), "out_of_range"),
    data("decimals", OBJECT.replace("70", "70.5")),
    data("a share beside percentages", OBJECT.replace('"click_1": 70', '"click_1": 0.7'), "not_a_probability"),
    data("twice the same", f"{OBJECT}\n{OBJECT}"),
    data("questions repeated, then answered", f"{LISTED}\n{OBJECT}"),
    data(
        "shares of one",
        '{"click_1": 0.7, "click_10": 0, "stars_1": [0, 0, 0, 1, 0], "minutes": {"0": 0.2}, "pick": [1]}',
        "not_a_probability",
    ),
    data("share of a lone question", '{"stars_1": [0.1, 0.1, 0.1, 0.6, 0.1]}', {"stars_1": "4"}, questions=LONE),
    data(
        "words",
        '{"leave": 10, "comment": "Nice,\\n but long."}',
        {"leave": "no", "comment": "Nice, but long."},
        questions=REMARK,
    ),
    data(
        "words that look like the object",
        '{"leave": 10, "comment": "{\\"leave\\": 90}"}',
        {"leave": "no", "comment": '{"leave": 90}'},
        questions=REMARK,
    ),
    data("half a character", '{"leave": 10, "comment": "a\\ud83d"}', {"leave": "no", "comment": "a?"}, questions=REMARK),
    data("no words", '{"leave": 10, "comment": " "}', "missing", questions=REMARK),
    data("words as a list", '{"leave": 10, "comment": ["Nice"]}', "not_an_option", questions=REMARK),
    spoilt("yes for a percentage", "70", '"yes"', "not_a_probability"),
    spoilt("list for a percentage", "70", "[70, 30]", "not_a_probability"),
    spoilt("level for a list", "[0, 0, 20, 60, 20]", "4", "not_a_probability"),
    spoilt("list too short", "[0, 0, 20, 60, 20]", "[0, 20, 60, 20]", "not_a_probability"),
    spoilt("some options by name", "[20, 50, 30]", '{"A": 20, "B": 80}', "not_a_probability"),
    spoilt("range", "70", '"60-80"', "not_a_probability"),
    spoilt("null in a list", "[20, 50, 30]", "[null, 50, 50]", "not_a_probability"),
    spoilt("null", "70", "null", "missing"),
    spoilt("None", "70", "None", "missing"),
    spoilt("true", "70", "true", "out_of_range"),
    spoilt("True", "70", "True", "out_of_range"),
    spoilt("not a number", "70", "NaN", "out_of_range"),
    spoilt("infinity", "70", "Infinity", "out_of_range"),
    spoilt("overflow", "70", "1e999", "out_of_range"),
    spoilt("more digits than Python reads", "70", "7" * 5000, "not_json"),
    spoilt("many digits", "70", "7" * 350, "out_of_range"),
    spoilt("minus", "70", "-70", "out_of_range"),
    spoilt("above 100", "70", "170", "out_of_range"),
    spoilt("sum of 0", "[20, 50, 30]", "[0, 0, 0]", "out_of_range"),
    spoilt("sum of 200", "[20, 50, 30]", "[60, 80, 60]", "out_of_range"),
    spoilt("sum of 30", "[20, 50, 30]", "[10, 10, 10]", "out_of_range"),
    spoilt("share among percentages", "[20, 50, 30]", "[0.2, 0.5, 0.3]", "out_of_range"),
    spoilt("contradiction", '"click_10"', '"click_1": 10, "click_10"', "contradiction"),
    spoilt("contradiction in another case", '"click_10"', '"CLICK_1": 10, "click_10"', "contradiction"),
    spoilt("missing", '"click_10": 20, ', "", "missing"),
    spoilt("apostrophe in single quotes", "70", "'I don't know'", "not_json"),
    spoilt("code for a number", "70", "7 * 10", "not_json"),
    data("two objects that differ", f"{OBJECT}\n{OBJECT.replace('70', '30')}", "contradiction"),
    data("draft, then cut off", f"{OBJECT}\nBetter:\n{OBJECT[:60]}", "cut_off", finish="length"),
    data("cut off", OBJECT[:60], "cut_off", finish="length"),
    data("cut off in a key", OBJECT[:20], "cut_off", finish="length"),
    data("ended early", OBJECT[:60], "not_json"),
    data("without the last brace", OBJECT[:-1], "not_json"),
    data("complete at the limit", OBJECT, finish="length"),
    data("lines", LINES, "not_json"),
    data("bare list", "[70, 20]", "not_json"),
    data("other object", '{"error": "overloaded"}', "missing"),
    data("empty object", "{}", "missing"),
    data("schema", '{"type": "object", "properties": {"click_1": {"type": "integer"}, "pick": {"type": "array"}}}', "echo"),
    data("questions repeated", LISTED, "echo"),
    data("nothing", "", "empty"),
    data("refusal", "I cannot answer as if I were a person.", "refusal"),
    data("refusal by the provider", "", "refusal", refusal="No."),
    data("content filter", OBJECT[:30], "refusal", finish="content_filter"),
    data("deep nesting", '{"a":' * 15_000, "not_json"),
    data("deep lists", "[" * 90_000 + "{", "not_json"),
    data("endless string", '{"click_1": "' + "x" * 90_000, "not_json"),
    data("many braces", "{" * 90_000, "not_json"),
    data("many open comments", "{/*" * 30_000, "not_json"),
]

REPLIES = LABELS + OBJECTS

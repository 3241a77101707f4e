"""JSON with something odd in one place: another type, a number too large, or nothing at all."""

import copy

from hypothesis import strategies as st

ODD = [None, "x", -7, 1.5, [], {}, True, 10**400, [None], {"value": 1}]


def places_in(content, above=()):
    """Yield where something stands, of long lists the first two entries."""
    entries = content.items() if isinstance(content, dict) else enumerate(content[:2]) if isinstance(content, list) else ()
    for key, value in entries:
        yield (*above, key)
        yield from places_in(value, (*above, key))


def spoil(content, data):
    """Return a copy with one place changed or taken out, as Hypothesis's ``data`` draws it."""
    content = copy.deepcopy(content)
    *above, last = data.draw(st.sampled_from([*places_in(content)]))
    holder = content
    for key in above:
        holder = holder[key]
    if data.draw(st.booleans()):
        holder[last] = data.draw(st.sampled_from(ODD))
    else:
        del holder[last]
    return content

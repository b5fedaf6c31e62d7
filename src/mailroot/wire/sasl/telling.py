"""What another server says of a failure, made harmless for logs and reports."""

import json

_LONGEST = 300


def told(octets: bytes) -> str:
    """The octets as one line of printable text, cut to what a log line bears."""
    text = octets[: 4 * _LONGEST].decode(errors="replace")
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return line if len(line) <= _LONGEST else line[:_LONGEST] + "..."


def told_json(octets: bytes) -> str:
    """The members of a JSON object (RFC 7628 section 3.2.2) as one line; whatever else it is, as it is."""
    try:
        members = json.loads(octets)
    except (ValueError, RecursionError):
        return told(octets)
    if not isinstance(members, dict):
        return told(octets)
    plain = (f"{name} {value}" for name, value in members.items() if isinstance(value, str | int))
    return told(", ".join(plain).encode(errors="replace"))

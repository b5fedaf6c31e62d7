"""The lines that stand in front of messages in folders: who sent them, and for whom (x-sender, x-receiver)."""

_LONGEST = 1_000
_MOST = 100


def envelope_lines(head: bytes) -> tuple[str, list[str]]:
    """The sender ("" where none is named), and up to a hundred recipients, that the first lines of a file name."""
    sender, recipients = "", []
    for line in head.split(b"\n")[: _MOST + 1]:
        name, colon, value = line.rstrip(b"\r").partition(b":")
        text = value.strip()[:_LONGEST].decode("utf-8", "replace")
        if colon and name.lower() == b"x-sender":
            sender = text
        elif colon and name.lower() == b"x-receiver":
            recipients.append(text)
        else:
            break
    return sender, recipients

"""Who asks for something: the author of a change, the subject of a record."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class By:
    """Somebody who was let in. `face` is "cli", "rest" or "console"; `address` is "" on the machine itself."""

    name: str
    face: str = "cli"
    address: str = ""


def member_name(account: str, group: str) -> str:
    """How somebody is recorded whom a group lets in. No operator's name has a space in it."""
    return f"{account} (group {group})"


def is_by(recorded: object, wanted: str) -> bool:
    """Whether a record is about the one who is looked for; an account is found whatever group has let it in."""
    return recorded == wanted or (isinstance(recorded, str) and recorded.startswith(f"{wanted} (group "))

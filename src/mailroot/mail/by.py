"""Who asks for something: the author of a change, the subject of a record."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class By:
    """Somebody who was let in. `face` is "cli", "rest" or "console"; `address` is "" on the machine itself."""

    name: str
    face: str = "cli"
    address: str = ""

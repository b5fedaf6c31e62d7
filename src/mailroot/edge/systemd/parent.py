"""All that systemd gave us where it started us, in one hand."""

from collections.abc import MutableMapping
from dataclasses import dataclass, field

from mailroot.edge.systemd.inherited import Inherited
from mailroot.edge.systemd.notices import Notices


@dataclass(frozen=True, slots=True)
class Parent:
    """Who started us: whom to tell, and the sockets that it opened. Without systemd both are empty."""

    notices: Notices = field(default_factory=Notices)
    inherited: Inherited = field(default_factory=Inherited)

    @classmethod
    def taken(cls, environment: MutableMapping[str, str]) -> "Parent":
        """What the environment tells of, taken out of it. Raises `Misconfigured`."""
        return cls(Notices.taken(environment), Inherited.taken(environment))

    def ready(self, status: str) -> None:
        """All of it works from now on."""
        self.inherited.turn_away()
        self.notices.ready(status)

    def ending(self) -> None:
        """The end has begun."""
        self.notices.stopping()
        self.inherited.end()

"""The operations of this package by their names, for `service.life.control`."""

from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import Any, Protocol

from mailroot.edge.aside import Aside
from mailroot.mail.events import Emit
from mailroot.service.life.state import State
from mailroot.service.views.foldercontrol import FolderControl
from mailroot.service.views.historycontrol import HistoryControl
from mailroot.service.views.messagecontrol import MessageControl
from mailroot.service.views.overview import Overview

Arguments = Mapping[str, Any]


class Service(Protocol):
    """What is looked into (`service.life.supervisor`)."""

    @property
    def state(self) -> State:
        """What the supervisor knows."""

    @property
    def emit(self) -> Emit:
        """Where events go."""


def views(service: Service, key_of: Callable[[Arguments], str]) -> dict[str, Callable[[Arguments], Awaitable[object]]]:
    """What looks are asked for by. `key_of` finds the virtual server that arguments name."""
    state = service.state

    @cache
    def aside() -> Aside:
        return Aside(state.settings.service.run_as)

    folders = FolderControl(state, key_of, lambda: service.emit, aside)
    return {
        **folders.operations,
        **MessageControl(state, aside).operations,
        **HistoryControl(state, key_of, aside).operations,
        **Overview(state).operations,
    }

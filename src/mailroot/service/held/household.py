"""Held mail of all virtual servers of one worker: who keeps it, what clients may ask for, who collects ours."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

from mailroot.mail.events import EVENTS, Emit
from mailroot.policy.account import account_key
from mailroot.routing.held import HeldDomains
from mailroot.service.held.fellows import Workers
from mailroot.service.held.keeping import Keeper
from mailroot.service.held.summoning import Holding, Restraint
from mailroot.service.rules import Rules


class Household:
    """One for each worker. `ask` asks the supervisor."""

    def __init__(self, number: int, count: int, emit: Emit, ask: Callable[..., Awaitable[Any]]) -> None:
        self._emit = emit
        self._keepers: dict[str, Keeper] = {}
        self._restraint = Restraint(time.monotonic)
        self.fellows = Workers(number, count, self._keepers, ask)

    def keeper(self, rules: Rules) -> Keeper:
        """Who keeps what is held in this worker for a virtual server."""
        folder = f"{rules.settings.home}/SortTemp"
        return self._keepers.setdefault(rules.key, Keeper(rules.key, folder, self.fellows, self._emit))

    def governed(self, rules: Rules) -> Rules:
        """The rules, with what clients may ask for; without a domain that holds its mail, as they are."""
        held = HeldDomains(rules.settings.domains, rules.domains, account_key)
        if not held.any:
            return rules
        tell = partial(self._emit, EVENTS.queue_asked_for, server=rules.key)
        return replace(rules, holding=Holding(held, self.keeper(rules), self._restraint, tell))

    def follow(self, rules: Rules) -> None:
        """These rules are in force from now on."""
        held = rules.holding
        self.keeper(rules).follow(held.domains if held is not None else HeldDomains({}, rules.domains))

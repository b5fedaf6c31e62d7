"""The states of virtual servers and of the service: one table each, with the predecessor's meaning (facts 9).

A stopped service is one whose virtual servers are all stopped; supervisor and administration stay. Nothing here acts.
"""

from collections.abc import Iterable, Mapping

from mailroot.mail.faults import Misconfigured
from mailroot.settings.virtualserver import Start

STARTED, PAUSED, STOPPED = "started", "paused", "stopped"

# The state of a virtual server after a word; what is not here cannot be done.
_AFTER = {
    (STOPPED, "start"): STARTED,
    (STARTED, "start"): STARTED,
    (PAUSED, "start"): STARTED,
    (STARTED, "pause"): PAUSED,
    (PAUSED, "pause"): PAUSED,
    (STARTED, "continue"): STARTED,
    (PAUSED, "continue"): STARTED,
    (STARTED, "stop"): STOPPED,
    (PAUSED, "stop"): STOPPED,
    (STOPPED, "stop"): STOPPED,
}

# What is shown while it lasts.
_MOMENTS = {
    (STOPPED, STARTED): "starting",
    (STARTED, STOPPED): "stopping",
    (PAUSED, STOPPED): "stopping",
    (STARTED, PAUSED): "pausing",
    (PAUSED, STARTED): "continuing",
}


def state_after(key: str, state: str, word: str) -> str:
    """The state of the virtual server `key` after an operation. Raises `Misconfigured` where it cannot be done."""
    after = _AFTER.get((state, word))
    if after is None:
        raise Misconfigured(f"the virtual server {key} is {state}; start it: ./mailroot server start {key}")
    return after


def moment(before: str, after: str) -> str:
    """What a virtual server is on the way from one state to another."""
    return _MOMENTS[before, after]


def service_state(states: Iterable[str]) -> str:
    """The state of the service, which follows from those of its virtual servers."""
    known = set(states)
    return STARTED if STARTED in known else PAUSED if PAUSED in known else STOPPED


def states_after(states: Mapping[str, str], word: str, ran: Mapping[str, str]) -> dict[str, str]:
    """The states of all virtual servers after a word to the service. `ran` are those of them that ran when it stopped.

    Who was stopped alone stays so. Raises `Misconfigured` where it cannot be done.
    """
    now = service_state(states.values())
    if word == "start" and now == STOPPED:
        return {key: ran.get(key, STOPPED) for key in states}
    if word in ("pause", "continue") and now == STOPPED:
        raise Misconfigured("the service is stopped; start it: ./mailroot service start")
    return {key: state if state == STOPPED else _AFTER[state, word] for key, state in states.items()}


def states_at_start(service: Start, starts: Mapping[str, Start], kept: Mapping[str, str]) -> dict[str, str]:
    """The states of the virtual servers when the service's process begins, by how each starts.

    `kept` are those that operators started or stopped alone; that outlives the process, as it did for the predecessor.
    """
    if service is not Start.AUTOMATIC:
        return dict.fromkeys(starts, STOPPED)
    return {
        key: state if start is not Start.DISABLED else STOPPED for key, (start, state) in _own(starts, kept).items()
    }


def ran_before(starts: Mapping[str, Start], kept: Mapping[str, str]) -> dict[str, str]:
    """Those that start with the service where it has not run yet."""
    own = _own(starts, kept).items()
    return {key: STARTED for key, (start, state) in own if state == STARTED and start is not Start.DISABLED}


def _own(starts: Mapping[str, Start], kept: Mapping[str, str]) -> dict[str, tuple[Start, str]]:
    usual = {key: STARTED if start is Start.AUTOMATIC else STOPPED for key, start in starts.items()}
    return {key: (start, kept.get(key, usual[key])) for key, start in starts.items()}


def keeps(start: Start, state: str) -> bool:
    """Whether a state that an operator gave a virtual server is to be remembered: it is another than the usual one."""
    return (state == STOPPED) == (start is Start.AUTOMATIC)

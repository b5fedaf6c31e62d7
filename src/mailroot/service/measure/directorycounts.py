"""What a directory was asked and what it answered, in numbers: attributes that are slots of a tally."""

from mailroot.mail.counters.layout import LENGTH, SLOTS, Tally


class _Count:
    """An attribute that lies in the tally: `counts.lookups += 1`."""

    def __init__(self, slot: int) -> None:
        self._slot = slot

    def __get__(self, counts: "DirectoryCounts", _kind: type) -> int:
        return counts.cells[self._slot]

    def __set__(self, counts: "DirectoryCounts", value: int) -> None:
        counts.cells[self._slot] = value


class DirectoryCounts:
    """The counts of one virtual server's directory in one worker.

    `lookups` begin, `completed` are those that ended with an answer, `waited` those that did not. `expanded` were
    groups; `not_found`, `ambiguous` and `failed` were returned. `searches` are single questions to the directory.
    """

    lookups = _Count(SLOTS.cat_lookups)
    completed = _Count(SLOTS.cat_completions)
    waited = _Count(SLOTS.cat_waited)
    not_found = _Count(SLOTS.cat_not_found)
    ambiguous = _Count(SLOTS.cat_ambiguous)
    expanded = _Count(SLOTS.cat_expanded)
    failed = _Count(SLOTS.cat_failed)
    searches = _Count(SLOTS.cat_searches)

    def __init__(self, tally: Tally | None = None) -> None:
        """Without a tally it counts for itself."""
        self.cells = (tally or Tally([0] * LENGTH)).cells

"""How full Drop folders are: their `.eml` octets, counted now and then and kept up by our own deliveries."""

import os
from collections.abc import Callable

_INTERVAL = 3.0  # seconds for which a count is believed; programs take files away meanwhile


class DropQuota:
    """Sizes of folders against their limits. `measure` may run in another thread than the rest."""

    def __init__(self, limit: Callable[[str], int]) -> None:
        """`limit` gives a folder's quota in octets; 0: it has none and is never counted."""
        self._limit = limit
        self._octets: dict[str, int] = {}
        self._due: dict[str, float] = {}

    def limited(self, folder: str) -> bool:
        """Whether the folder has a quota at all."""
        return self._limit(folder) > 0

    def exceeded(self, folder: str) -> bool:
        """Whether the folder holds as much as its quota, or more; False until it was counted."""
        limit = self._limit(folder)
        return limit > 0 and self._octets.get(folder, 0) >= limit

    def stale(self, folder: str, now: float) -> bool:
        """Whether the folder should be counted again; says so once in every interval. `now` in seconds."""
        if not self.limited(folder) or now < self._due.get(folder, 0.0):
            return False
        self._due[folder] = now + _INTERVAL
        return True

    def add(self, folder: str, octets: int) -> None:
        """Count a file that was just delivered."""
        if folder in self._octets:
            self._octets[folder] += octets

    def measure(self, folder: str) -> None:
        """Count the folder's files; one that is gone meanwhile counts nothing. Blocks."""
        try:
            with os.scandir(folder) as entries:
                self._octets[folder] = sum(_size(entry) for entry in entries if entry.name.endswith(".eml"))
        except OSError:
            self._octets[folder] = 0  # what is missing is not full; a delivery tells what else is wrong


def _size(entry: "os.DirEntry[str]") -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except OSError:
        return 0

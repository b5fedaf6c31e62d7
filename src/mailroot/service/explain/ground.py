"""The rules of a settings file, built as a worker builds them, for a program that serves nobody."""

from mailroot.edge.sharedcounts import SharedCounts
from mailroot.mail.events import EventRow
from mailroot.service.life.slots import guesses_slot, slots_for
from mailroot.service.receive.entrances import Entrances
from mailroot.service.resolve.building import built
from mailroot.service.rules import Rules, rules_of
from mailroot.settings.access import AccountSource
from mailroot.settings.service import Settings


def rules_for(settings: Settings, key: str) -> Rules:
    """The rules of one virtual server. Raises `Fault` where what it signs clients in by cannot be used here."""
    counts = SharedCounts(1, slots_for(settings))
    entrances = Entrances(settings.service.run_as, counts, 0, guesses_slot(settings), _unheard)
    server = settings.servers[key]
    directory = built(key, server, _unheard) if server.access.accounts is AccountSource.LDAP else None
    return rules_of(key, server, None, entrances.of(key, server, directory))


def _unheard(row: EventRow, **fields: object) -> None:
    """Nobody signs in here."""

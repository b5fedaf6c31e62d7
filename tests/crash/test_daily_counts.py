"""A daily cap over ends of the service: in good order, by a kill of everything, and with a damaged file."""

import time
from pathlib import Path

from mailroot.edge.dailycounts import counts_path, read_counts
from mailroot.mail.faults import Fault
from tests.live.outside import outside, relaying
from tests.live.running import Service, until
from tests.live.test_destination_pace import PACE, waiting
from tests.peers.smtp import Peer

CAP = 4
_DAY, _ROOM = 86_400, 300


def test_a_daily_cap_outlives_the_service_however_it_ends(tmp_path: Path) -> None:
    # At midnight UTC the caps begin anew, which is no matter of this test.
    until(lambda: _DAY - time.time() % _DAY > _ROOM, "the next day", 2.0 * _ROOM)
    with outside() as world:
        peer = world.enter(Peer())
        with relaying(tmp_path, f'smart_host = "[127.0.0.1]:{peer.port}"', PACE, workers=2) as service:
            for number in range(CAP + 1):
                service.send(f"a{number}@far.example")
            until(lambda: len(peer.messages) == CAP and waiting(service) == 1, "four that went and one that waits")
            assert service.stop() == 0
            service.start()
            _nothing_goes(service, peer, waiting_then=2)

            until(lambda: _counted(service) == CAP, "the counts on disk")
            service.kill()
            service.start()
            _nothing_goes(service, peer, waiting_then=3)
            assert not service.events("daily_counts_lost")

            service.kill()
            path = counts_path(service.home)
            path.write_bytes(path.read_bytes()[:-1])
            service.start()
            (told,) = until(lambda: service.events("daily_counts_lost"), "the event")
            assert str(path) in told["cause"]
            service.run("queue", "retry", "--all")
            until(lambda: len(peer.messages) == CAP + 3 and not service.ask("queue", "list"), "the mail of a new day")
            until(lambda: _counted(service) == 3, "the counts that began anew")


def _nothing_goes(service: Service, peer: Peer, waiting_then: int) -> None:
    """The cap is used up: one more message waits, and so do those that an operator has tried again."""
    service.run("queue", "retry", "--all")
    service.send("late@far.example")
    until(lambda: waiting(service) == waiting_then, "the one that came late, waiting too")
    assert len(peer.messages) == CAP


def _counted(service: Service) -> int:
    try:
        kept = read_counts(service.home)
    except Fault:
        return 0
    return max(kept.counts.values(), default=0) if kept is not None else 0

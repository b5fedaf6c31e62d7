"""What of new settings a reload puts in force, and what waits for a restart."""

from mailroot.service.life.reload import in_force
from mailroot.settings.change import Facts, difference, parse
from mailroot.settings.service import Settings

BEFORE = """
[servers.a]
home = "Home"
domains."x.test".type = "default"
domains."y.test".type = "alias"
"""


def settings(text: str, revision: int = 1) -> Settings:
    parsed = parse(text, Facts(folder="/srv", host="box.test", revision=revision))
    assert isinstance(parsed, Settings), parsed
    return parsed


def test_folders_that_follow_from_the_home_stay_with_it() -> None:
    now, wanted = settings(BEFORE), settings(BEFORE.replace("Home", "New"), 2)
    kept = in_force(now, wanted)
    assert difference(now, kept) == ()
    assert [change.path for change in difference(kept, wanted)] == [
        "servers.a.home",
        "servers.a.messages.badmail",
        'servers.a.domains."x.test".drop',
        'servers.a.domains."y.test".drop',
    ]


def test_folders_that_are_named_change_though_the_home_stays() -> None:
    now = settings(BEFORE)
    wanted = settings(BEFORE.replace('"Home"', '"New"\nmessages.badmail = "Bad"') + 'domains."x.test".drop = "D"', 2)
    kept = in_force(now, wanted).servers["a"]
    assert (kept.home, kept.messages.badmail, kept.domains["x.test"].drop) == ("/srv/Home", "/srv/Bad", "/srv/D")


def test_every_option_that_is_declared_to_need_a_restart_stays() -> None:
    now = settings(BEFORE)
    service = '[service]\nworkers = 4\nrun_as = "x"\nevents = "E"\nstart = "manual"\nshutdown_timeout = "3s"\n'
    wanted = settings(f'{service}[admin]\nlisten = ""\n' + BEFORE.replace('"Home"', '"Home"\nstart = "manual"'), 2)
    kept = in_force(now, wanted)
    assert [change.path for change in difference(now, kept)] == [
        "service.start",
        "service.shutdown_timeout",
        "servers.a.start",
    ]
    assert all(change.needs_restart for change in difference(kept, wanted))
    assert kept.revision == 2


def test_servers_that_come_or_go_wait_for_a_restart() -> None:
    now, wanted = settings(BEFORE), settings(BEFORE.replace("servers.a", "servers.b"), 2)
    kept = in_force(now, wanted)
    assert kept.servers == now.servers
    assert {change.path for change in difference(kept, wanted)} == {"servers.a", "servers.b"}

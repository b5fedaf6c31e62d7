"""Where events go besides the event log, as settings write it."""

import pytest

from mailroot.settings.eventsto import PLACE, SyslogPlace


@pytest.mark.parametrize(
    ("written", "place", "shown"),
    [
        ("", None, ""),
        ("/dev/log", SyslogPlace("unix", "/dev/log"), "/dev/log"),
        ("udp://192.0.2.5", SyslogPlace("udp", "192.0.2.5", 514), "udp://192.0.2.5:514"),
        ("tcp://logs.example", SyslogPlace("tcp", "logs.example", 601), "tcp://logs.example:601"),
        ("udp://[2001:db8::5]:5514", SyslogPlace("udp", "2001:db8::5", 5514), "udp://[2001:db8::5]:5514"),
    ],
)
def test_a_syslog_is_a_path_or_a_host_with_its_transport(written: str, place: SyslogPlace | None, shown: str) -> None:
    assert PLACE.parse(written) == place
    assert PLACE.text(place) == shown
    assert PLACE.parse(shown) == place


@pytest.mark.parametrize("wrong", [5, "dev/log", "logs.example", "http://x", "udp://", "udp://a:0", "tcp://a:65536"])
def test_what_names_no_syslog_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="wanted"):
        PLACE.parse(wrong)

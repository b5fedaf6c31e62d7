"""The keys of a domain in the settings: where they stand, what is asked of them, and that nobody sees them."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailroot.edge.settingsfile import SettingsFile
from mailroot.settings.change import Facts, parse
from mailroot.settings.keys import get, set_value
from mailroot.settings.problem import Problems
from mailroot.settings.service import Settings

FACTS = Facts("/etc/mailroot", "box.example", environment={"PEM": "-----BEGIN X\nsilence\n"})


def loaded(key, domain="ours.example", selector="s1", private=True):
    text = f'[servers.default.domains."{domain}".dkim.{selector}]\n{key}\n'
    return parse(text, FACTS, private=private, file="mailroot.toml")


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ('"2026-12-24"', datetime(2026, 12, 24, tzinfo=UTC)),
        ("2026-12-24", datetime(2026, 12, 24, tzinfo=UTC)),
        ('"2026-12-24T06:30+02:00"', datetime(2026, 12, 24, 4, 30, tzinfo=UTC)),
        ("2026-12-24T06:30:00Z", datetime(2026, 12, 24, 6, 30, tzinfo=UTC)),
        ('""', None),
    ],
)
def test_a_key_counts_from_a_moment_on(written, moment):
    settings = loaded(f'key = "$PEM"\nactive_from = {written}')
    assert isinstance(settings, Settings), settings
    key = settings.servers["default"].domains["ours.example"].dkim["s1"]
    assert key.active_from == moment and key.key == FACTS.environment["PEM"]
    assert "silence" not in repr(settings)


@pytest.mark.parametrize(
    ("key", "domain", "selector", "words"),
    [
        ("", "ours.example", "s1", "the key is missing"),
        ('key = "$PEM"', "*.ours.example", "s1", "for one domain"),
        ('key = "$PEM"', "ours.example", '"s 1"', "name in DNS"),
        ('key = "$PEM"\nactive_from = "soon"', "ours.example", "s1", "a moment"),
        ('key = "$PEM"\nfrom = "2026-01-01"', "ours.example", "s1", "unknown key"),
        ('key = "$NONE"', "ours.example", "s1", "not set"),
    ],
)
def test_what_does_not_fit_is_named(key, domain, selector, words):
    found = loaded(key, domain, selector)
    assert isinstance(found, Problems) and words in str(found)


def test_a_key_file_is_read_whole_and_is_private(tmp_path: Path):
    pem, file = tmp_path / "key.pem", tmp_path / "mailroot.toml"
    pem.write_text("-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\n")
    file.write_text('[servers.default.domains."ours.example".dkim.s1]\nkey_file = "key.pem"\n')
    pem.chmod(0o644)
    assert "chmod 600" in str(SettingsFile(file).load())
    pem.chmod(0o600)
    settings = SettingsFile(file).load()
    assert isinstance(settings, Settings)
    assert settings.servers["default"].domains["ours.example"].dkim["s1"].key == pem.read_text()


def test_no_command_shows_a_key():
    settings = loaded('key = "$PEM"')
    table = get(settings, "servers.default.domains")
    assert table["ours.example"]["dkim"]["s1"]["key"] == "***"


def test_a_key_can_be_set():
    text = set_value("", 'servers.default.domains."ours.example".dkim.s1.key_file', "dkim/k.pem")
    assert (
        parse(text, Facts("/x", read=lambda path: f"read {path}"))
        .servers["default"]
        .domains["ours.example"]
        .dkim["s1"]
        .key
        == "read /x/dkim/k.pem"
    )

"""The golden dialogues, run on the bare engine: whole, octet by octet, and cut at every place."""

from collections.abc import Iterator

import pytest

from tests.dialogue import Script, run_on_engine, scripts

ALL = scripts()


def _whole(octets: bytes) -> Iterator[bytes]:
    yield octets


def _by_octets(octets: bytes) -> Iterator[bytes]:
    return (octets[at : at + 1] for at in range(len(octets)))


@pytest.mark.parametrize("script", ALL, ids=lambda script: script.name)
def test_dialogue_goes_as_written(script: Script) -> None:
    run_on_engine(script, _whole)


@pytest.mark.parametrize("script", [script for script in ALL if script.cuts], ids=lambda script: script.name)
def test_dialogue_is_the_same_octet_by_octet(script: Script) -> None:
    assert run_on_engine(script, _by_octets).events == run_on_engine(script, _whole).events


@pytest.mark.parametrize("script", [script for script in ALL if script.cuts], ids=lambda script: script.name)
def test_dialogue_is_the_same_at_every_cut(script: Script) -> None:
    whole = run_on_engine(script, _whole).events
    longest = max(len(turn.send) for turn in script.turns)
    for place in range(1, min(longest, 400)):
        assert run_on_engine(script, lambda octets: iter((octets[:place], octets[place:]))).events == whole  # noqa: B023

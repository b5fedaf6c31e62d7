"""Options of DKIM: the keys of a domain, and how a virtual server signs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Annotated

from mailroot.settings.option import option, strict
from mailroot.settings.spelling import File, Flag, Spelling, Text, several

EARLIEST = datetime.min.replace(tzinfo=UTC)
_NAME = re.compile(r"[!-9;-~]+")


def _parse_moment(value: object) -> datetime | None:
    wanted = 'a moment such as "2026-12-24" or "2026-12-24T06:00Z" is wanted'
    if value == "":
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(wanted) from None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        raise ValueError(wanted)
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _moment_text(value: datetime | None) -> str:
    return "" if value is None else value.astimezone(UTC).isoformat(timespec="minutes").replace("+00:00", "Z")


def _parse_field_name(value: object) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError('the name of a header field, such as "Subject", is wanted')
    return value


MOMENT = Spelling("moment", _parse_moment, _moment_text, '"2026-12-24T06:00Z"')
FIELD_NAME = Spelling("field name", _parse_field_name, str, '"From"')


@strict
@dataclass(frozen=True, slots=True)
class DkimKey:
    """One key of a domain. `key` holds the PEM itself, resolved; `active_from` is None for one that always counted."""

    key: Text = option("", 'The private key, PEM, as the name of an environment variable: "$NAME".', secret=True)
    key_file: File = option("", "A PEM file with the private key, RSA or Ed25519, that its owner alone may read.")
    active_from: Annotated[datetime | None, MOMENT] = option(
        None, "When it begins to sign, UTC where no zone is named; empty: at once. The latest key of a kind signs."
    )


def in_order(keys: Mapping[str, DkimKey]) -> list[tuple[str, DkimKey]]:
    """Keys by the moment from which they count; of the same moment as they stand in the settings."""
    return sorted(keys.items(), key=lambda one: one[1].active_from or EARLIEST)


@strict
@dataclass(frozen=True, slots=True)
class Dkim:
    """How a virtual server signs."""

    reports: Flag = option(True, "Whether reports to senders are signed too.", caption="Sign reports to senders too")
    oversign: Annotated[tuple[str, ...], several(FIELD_NAME)] = option(
        ("From",),
        "Header fields of which a signature says how many there are, so that none can be added.",
        caption="Header fields that nobody may add later",
    )

"""A short sign of settings: two that mean the same have the same one, whoever read them, and when."""

import hashlib

from mailroot.settings.declared import key_text, values
from mailroot.settings.service import Settings
from mailroot.settings.spelling import toml_text

_LENGTH = 16


def fingerprint(settings: Settings) -> str:
    """The sign of all options but the values of secrets, which nobody can guess from it."""
    lines = sorted(f"{key_text(parts)} = {toml_text(found.text(value))}" for parts, found, value in values(settings))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:_LENGTH]

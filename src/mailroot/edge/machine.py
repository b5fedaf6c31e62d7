"""What this machine is, as far as a configuration that comes from another one must fit it."""

import os
import socket

from mailroot.edge.settingsfile import SettingsFile, machine_facts
from mailroot.settings.copying import Here, Origin

# Addresses for documentation (RFC 5737, RFC 3849): nothing is sent there, the system only says which way it would go.
_SOMEWHERE = {4: ("192.0.2.1", 9), 6: ("2001:db8::1", 9)}
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


def here(file: SettingsFile) -> Here:
    """This machine, with a settings file on it."""
    return Here(file.folder, _own, _main, os.path.exists)


def origin(file: SettingsFile) -> Origin:
    """Where a configuration is from that leaves this machine."""
    return Origin(machine_facts(file.folder).host, file.folder)


def _own(address: str) -> bool:
    family = _FAMILIES[6 if ":" in address else 4]
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


def _main(version: int) -> str:
    try:
        with socket.socket(_FAMILIES[version], socket.SOCK_DGRAM) as probe:
            probe.connect(_SOMEWHERE[version])
            return str(probe.getsockname()[0])
    except OSError:
        return ""

"""Which virtual servers operators started or stopped alone, kept beside the settings file over the service's end."""

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from mailroot.edge.files.durable import sync_folder, translated

_LARGEST = 1 << 20
_STATES = ("started", "stopped")


def states_path(settings_file: Path) -> Path:
    """Where they are kept."""
    whole = Path(os.path.realpath(settings_file))
    return whole.with_name(f".{whole.name}.states")


def read_states(settings_file: Path) -> dict[str, str]:
    """What was kept, by virtual server; nothing where there is nothing that can be read: each starts as set then."""
    with contextlib.suppress(OSError, ValueError), states_path(settings_file).open("rb") as file:
        kept = json.loads(file.read(_LARGEST))
        if isinstance(kept, dict):
            return {key: state for key, state in kept.items() if state in _STATES}
    return {}


def keep_states(settings_file: Path, states: Mapping[str, str]) -> None:
    """Keep these, durably. Raises `Fault`."""
    path = states_path(settings_file)
    draft = path.with_name(f"{path.name}.new")
    with translated("the states of the virtual servers cannot be kept"):
        if not states:
            path.unlink(missing_ok=True)
            return
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(dict(states), file)
            file.flush()
            os.fsync(descriptor)
        draft.replace(path)
        sync_folder(path.parent)

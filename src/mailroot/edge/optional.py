"""Libraries that not everybody needs: of our own environment, or else the system's own package of it.

Debian's packages need no compiler. They are made for the system's Python, so they serve where we run on that.
"""

import functools
import importlib
import sys
from types import ModuleType

_SYSTEM = "/usr/lib/python3/dist-packages"


@functools.cache
def optional_library(name: str) -> ModuleType | None:
    """The library, or None where there is none that fits."""
    try:
        return importlib.import_module(name)
    except (ImportError, OSError):
        pass
    sys.path.append(_SYSTEM)  # behind our own packages, and only while this one is imported
    try:
        return importlib.import_module(name)
    except (ImportError, OSError):
        return None
    finally:
        sys.path.remove(_SYSTEM)

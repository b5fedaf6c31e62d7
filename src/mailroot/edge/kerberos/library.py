"""The library `gssapi`, which speaks Kerberos."""

from types import ModuleType

from mailroot.edge.optional import optional_library


def gssapi_library() -> ModuleType | None:
    """The library, or None where there is none that fits."""
    return optional_library("gssapi")

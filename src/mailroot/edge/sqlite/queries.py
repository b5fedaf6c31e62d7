"""Named queries: SQL is read from files, each query under its name."""

import functools
from collections.abc import Mapping
from importlib import resources

_NAME = "-- name: "


@functools.cache
def queries(file: str) -> Mapping[str, str]:
    """The queries of `edge/sqlite/sql/FILE` by their names, without their comments."""
    named: dict[str, list[str]] = {}
    name = ""
    for line in (resources.files("mailroot.edge.sqlite") / "sql" / file).read_text("utf-8").splitlines():
        if line.startswith(_NAME):
            name = line.removeprefix(_NAME)
            named[name] = []
        elif line and not line.startswith("--"):
            named[name].append(line)
    return {name: "\n".join(lines) for name, lines in named.items()}

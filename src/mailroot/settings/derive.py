"""What is derived from the declarations: the reference page of the settings."""

from collections.abc import Iterator

from mailroot.settings.declared import ANY, Declared, Parts, declared, sections
from mailroot.settings.spelling import toml_text
from mailroot.settings.unbuilt import unbuilt_features

_INTRODUCTION = """\
# Settings

<!-- Derived from the declarations in src/mailroot/settings by tools/settings_reference.py; not edited by hand. -->

Settings stand in one TOML file, by default `./mailroot.toml`. A file needs only what differs from the defaults;
without any server in it there is one, `default`. Relative paths are relative to the file. `mailroot check-config FILE`
finds every problem of a file at once; `mailroot get KEY` and `mailroot set KEY VALUE` read and change single options,
and `set` keeps the comments of the file. Without a file, `set` makes one of the quick start's settings.

- **Durations** are written "90s", "15m", "12h", "2d"; **sizes** "2048KB", "25MB", and 0 for no limit.
- `<server>` is the short name of a virtual server, `<domain>` the name of a domain in quotes, such as `"example.com"`,
  or `"*.partner.example"`, which stands for everything below it; `<name>` likewise is a name of the server itself.
  `<destination>` is the domain that mail goes to, or such a suffix, or its smart host, or `"*"` for each of all others.
- **Label** is where the dialogs of IIS had the option, **metabase** what its metabase called it.
- **A change counts** at once, for new sessions, with a new listener, or after `mailroot service restart`, which ends
  the workers and not the process. `mailroot server create` and `delete` do that by themselves.
- **Secrets**: `"$NAME"` takes one from the environment, `password_file` from a file. That file, and a settings file
  with a secret in it, must be readable by their owner only (`chmod 600`). No command shows a secret.
- Options marked *not built yet* are known. A value that would promise something is refused; a default has no effect.
"""


def reference() -> str:
    """The reference page, Markdown."""
    return "\n".join([_INTRODUCTION, *_tables()])


_NAMED_BY = {
    "servers": "<server>",
    "domains": "<domain>",
    "pace": "<destination>",
    "names": "<name>",
    "collect": "<name>",
    "dkim": "<selector>",
}


def _name(parts: Parts) -> str:
    return ".".join(_NAMED_BY[parts[place - 1]] if part == ANY else part for place, part in enumerate(parts))


def _tables() -> Iterator[str]:
    for parts, option in sections().items():
        inside = [found for key, found in declared().items() if key[:-1] == parts]
        if not inside:
            continue
        yield f"## `[{_name(parts)}]`\n"
        if parts[-1] != ANY:
            yield f"{option.sentence}\n"
        for found in inside:
            yield from _entry(found)


def _entry(found: Declared) -> Iterator[str]:
    option, spelling = found.option, found.spelling
    bounds = f", {spelling.bounds}" if spelling.bounds else ""
    yield f"### `{found.parts[-1]}`\n"
    yield f"{option.sentence}\n"
    yield f"- key: `{_name(found.parts)}`"
    yield f"- {spelling.name}{bounds}; default `{toml_text(spelling.text(found.default))}`"
    if option.label:
        yield f"- label: {option.tab}: {option.label}"
    if option.caption:
        yield f"- in the console: {option.caption}"
    if option.metabase:
        yield f"- metabase: {option.metabase}"
    yield f"- a change counts: {option.applies.value}"
    feature = unbuilt_features().get(found.parts)
    if feature:
        yield f"- *not built yet*: {feature}"
    yield ""

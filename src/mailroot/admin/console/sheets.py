"""How a property sheet is worked with: shown, checked, its difference looked at, saved as a revision.

Nothing is saved that was not shown as a difference before. What somebody else changed meanwhile is not overwritten: the
service refuses, and the sheet is shown again with what was typed.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fastapi.responses import Response

from mailroot.admin.console.forms import Control, Field, changes
from mailroot.admin.console.sheet import Filling, Sheet, context, same_key, typed_again
from mailroot.admin.console.visit import Visit
from mailroot.edge.control import Refused
from mailroot.settings.spelling import toml_text

Save = Callable[[dict[str, Any], int], Awaitable[Any]]
"""Makes a change of these values, by full keys, from a revision."""

Links = Sequence[tuple[str, str]]

_LONGEST_FORM = 256 * 1024


async def rows_of(visit: Visit, sheet: Sheet) -> tuple[int, dict[str, dict[str, Any]]]:
    """The revision, and what is known of each option of the sheet by its key."""
    server = sheet.names[0] if sheet.names else ""
    answer = await visit.ask("settings.get", server=server)
    return int(answer["revision"]), {same_key(row["path"]): row for row in answer["rows"]}


async def show(visit: Visit, sheet: Sheet, more: Links = ()) -> Response:
    """The sheet as it counts now; `more` are links to what else can be done."""
    revision, rows = await rows_of(visit, sheet)
    fields = sheet.fields
    was = {one.key: _value(one, rows) for one in fields}
    typed = {one.key: one.typed(was[one.key]) for one in fields}
    notes = {key: note for key, row in rows.items() if (note := _note(row))}
    new = not any(one.key in rows for one in fields)
    return await page(visit, sheet, Filling(revision, was, typed, notes=notes, new=new), more)


def _value(one: Field, rows: Mapping[str, Mapping[str, Any]]) -> Any:
    """What stands there; of a table that is not written yet, the default."""
    if one.key in rows:
        return rows[one.key]["value"]
    return "" if one.control is Control.SECRET else one.found.text(one.found.default)


def _note(row: Mapping[str, Any]) -> str:
    """What an option comes to, where that is not what stands there; and that it does nothing yet."""
    words = []
    if not row["secret"] and row["effective"] not in ("", row["value"], []) and row["value"] in ("", 0, []):
        words.append(f"Now: {row['effective']}.")
    if row.get("unbuilt"):
        words.append(f"Not built yet: {row['unbuilt']}.")
    return " ".join(words)


async def page(visit: Visit, sheet: Sheet, filling: Filling, more: Links = (), code: int = 200) -> Response:
    """The sheet with what stands in it."""
    locked = not visit.may("settings.change")
    return await visit.page(
        "sheet.html",
        sheet.title,
        code,
        crumbs=sheet.crumbs,
        here_form=sheet.link,
        back=sheet.back,
        here=sheet.back,
        base=filling.base,
        was=json.dumps(dict(filling.was)),
        tab=filling.tab,
        conflict=filling.conflict,
        readonly=locked,
        more=more,
        remove="" if locked or filling.new else sheet.remove,
        **context(sheet, filling, locked),
    )


async def submitted(visit: Visit, sheet: Sheet, save: Save | None = None) -> Response:
    """What the sheet's form, or the page of its difference, has sent."""
    form = await visit.form()
    was, base = _was(form), int(form.get("base", "0") or 0) if form.get("base", "0").isdigit() else 0
    fields = sheet.fields
    changed, wrong = changes(fields, form, was)
    typed = typed_again(fields, form, was)
    again = Filling(base, was, typed, wrong, tab=form.get("tab", ""))
    step = form.get("step", "review")
    if wrong or step == "edit":
        return await page(visit, sheet, again, code=422 if wrong else 200)
    if not changed:
        return visit.go(sheet.link, "Nothing differs from what counts now.")
    if step != "save":
        return await _review(visit, sheet, form, (changed, was))
    try:
        answer = await (save or _saving(visit))(changed, base)
    except Refused as refused:
        return await page(visit, sheet, _refused(refused, again), code=409 if refused.kind == "conflict" else 422)
    return visit.go(sheet.back, said(answer))


def _was(form: Mapping[str, str]) -> dict[str, Any]:
    """What stood in the form, as it says itself: it decides what was changed, and nothing else."""
    try:
        was = json.loads(form.get("was", "{}")[:_LONGEST_FORM])
    except (ValueError, RecursionError):
        return {}
    return was if isinstance(was, dict) else {}


def _saving(visit: Visit) -> Save:
    async def save(values: dict[str, Any], base: int) -> Any:
        quoted = {key: exact(value) for key, value in values.items()}
        return await visit.ask("settings.change", values=quoted, base=base or None)

    return save


def _refused(refused: Refused, filling: Filling) -> Filling:
    if refused.kind == "conflict":
        return replace(filling, conflict=str(refused))
    return replace(filling, problems=refused.problems or tuple(map(_row, str(refused).splitlines())))


def _row(sentence: str) -> dict[str, str]:
    """A problem that is told in a sentence: the option that it begins with, and what is wrong."""
    path, colon, wrong = sentence.partition(": ")
    known = bool(colon) and " " not in path and same_key(path) == path and "." in path
    return {"path": path if known else "", "wrong": wrong if known else sentence, "mend": ""}


def said(answer: Any) -> str:
    """What a change has done, in a sentence."""
    if not isinstance(answer, Mapping):
        return "Saved."
    words = [f"Saved as revision {answer['revision']}."] if "revision" in answer else ["Saved."]
    waiting = answer.get("needs_restart") or ()
    if waiting:
        words.append(f"Counts after a restart of the service: {', '.join(map(str, waiting))}.")
    return " ".join(words)


async def _review(
    visit: Visit, sheet: Sheet, form: Mapping[str, str], change: tuple[dict[str, Any], Mapping[str, Any]]
) -> Response:
    changed, was = change
    rows = []
    for one in sheet.fields:
        if one.key not in changed:
            continue
        new = changed[one.key]
        secret = one.control is Control.SECRET
        shown = ("removed" if new == "" else "a new one") if secret else one.shown(new)
        needs = one.needs if one.needs in ("at once",) else f"for {one.needs}" if "sessions" in one.needs else one.needs
        row = {"label": one.label, "key": one.key, "old": one.shown(was[one.key]), "new": shown}
        rows.append({**row, "needs": needs.replace("restart", "after a restart")})
    kept = {name: value for name, value in form.items() if name not in ("csrf", "step")}
    return await visit.page(
        "review.html",
        f"{sheet.title}: what changes",
        crumbs=(*sheet.crumbs, (sheet.title, sheet.link)),
        here=sheet.back,
        here_form=sheet.link,
        back=sheet.back,
        rows=rows,
        form=kept,
    )


def exact(value: Any) -> Any:
    """A value that is not read as anything else: text in quotes, as TOML has it."""
    return toml_text(value) if isinstance(value, str) else value

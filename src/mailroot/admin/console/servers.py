"""Virtual servers made, renamed and deleted: the wizard of IIS, and what asks before something is lost."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from fastapi.responses import Response

from mailroot.admin.console import sheets, wizard
from mailroot.admin.console.visit import Visit
from mailroot.admin.console.visiting import Visiting, pages
from mailroot.admin.console.wizard import Question, Step, Wizard
from mailroot.edge.control import Refused
from mailroot.settings.checks import conflict, overlap
from mailroot.settings.declared import Parts, declared, key_parts
from mailroot.settings.places import Binding, parse_binding
from mailroot.settings.virtualserver import Start

router = pages()


def fits(parts: Parts, empty: str = "") -> Callable[[str], str]:
    """A check by an option's own spelling; `empty` is what is said where nothing was given, "" where that is right."""

    def check(text: str) -> str:
        if not text:
            return empty
        found = declared()[parts]
        try:
            found.spelling.parse([text] if found.spelling.name.startswith("list") else text)
        except ValueError as fault:
            return str(fault).replace(" in quotes", "")
        return ""

    return check


_NAME = Question(
    "name",
    "Name",
    "What people read in the tree and in lists, such as: Applications.",
    check=lambda text: "" if text else "a name is wanted",
)
_BINDING = Question(
    "bindings",
    "Address and port",
    'Where it listens, such as 192.0.2.1:25. 0.0.0.0 stands for all addresses (IIS: "All Unassigned").',
    "0.0.0.0:25",
    check=fits(("servers", "*", "general", "bindings"), "an address and a port such as 0.0.0.0:25 are wanted"),
)
_HOME = Question(
    "home",
    "Home directory",
    "The folder in which Pickup, Queue, Drop, Badmail and SortTemp are made; relative to the settings file. "
    "Empty: one named after the server.",
    check=fits(("servers", "*", "home")),
    otherwise="a folder named after the server",
)
_DOMAIN = Question(
    "domain",
    "Default domain",
    "Mail for it is local and goes to Drop. Empty: the machine's own name.",
    check=fits(("servers", "*", "domains", "*", "former")),
    otherwise="the machine's own name",
)


_LISTENED = (("general", "bindings"), ("general", "tls_bindings"))
_Taken = Sequence[tuple[str, Binding]]


def _wizard(taken: _Taken) -> Wizard:
    """The wizard where these virtual servers have these bindings."""
    binding = replace(_BINDING, check=lambda text: _BINDING.check(text) or _conflict(text, taken))
    steps = (
        Step("Name", (_NAME,)),
        Step("Address and port", (binding,)),
        Step("Home directory", (_HOME,)),
        Step("Domain", (_DOMAIN,)),
    )
    return Wizard("New virtual server", "/servers/new", "/", "Finish", lambda _: steps, (("This computer", "/"),))


def _conflict(text: str, taken: _Taken) -> str:
    wanted = parse_binding(text)
    found = next((conflict(key, binding) for key, binding in taken if overlap(wanted, binding)), ())
    return "; ".join(found)


async def _taken(visit: Visit) -> _Taken:
    """What all virtual servers listen on that may start."""
    rows = {key_parts(row["path"]): row["effective"] for row in (await visit.ask("settings.get"))["rows"]}
    return [
        (parts[1], parse_binding(text))
        for parts, texts in rows.items()
        if parts[:1] == ("servers",) and parts[2:] in _LISTENED and rows[(*parts[:2], "start")] != Start.DISABLED.value
        for text in texts
    ]


@router.get("/servers/new")
async def begin(visit: Visiting) -> Response:
    """The wizard's first step."""
    return await wizard.begin(visit, _wizard(()))


@router.post("/servers/new")
async def proceed(visit: Visiting) -> Response:
    """The next step; after the last one, the server is made."""
    form = await visit.form()
    asked = _wizard(await _taken(visit))
    answers = await wizard.proceed(visit, asked, form)
    if isinstance(answers, Response):
        return answers
    try:
        answer = await visit.ask("server.create", **answers)
    except Refused as refusal:
        problems = refusal.problems or ({"path": "", "wrong": str(refusal), "mend": ""},)
        return await wizard.refused(visit, asked, form, problems)
    return visit.go("/", f"{answers['name']} is made. {sheets.said(answer)}")


@router.get("/servers/{key}/rename")
async def ask_rename(key: str, visit: Visiting) -> Response:
    """Ask for another name."""
    return await _rename_page(visit, key)


async def _rename_page(visit: Visit, key: str, typed: str | None = None, wrong: str = "") -> Response:
    row = await visit.server(key)
    shown = row["name"] if typed is None else typed
    hint = f"The name that people read. The short name stays {key}, and so do folders and settings."
    question = {"label": "Name", "name": "name", "value": shown, "hint": hint}
    return await _confirm(visit, row["link"], f"Rename {row['name']}", "rename", question=question, wrong=wrong)


async def _confirm(visit: Visit, link: str, title: str, word: str, **more: object) -> Response:
    wrong = more.pop("wrong", "")
    problems = [{"path": "", "id": "", "label": "", "wrong": wrong, "mend": ""}] if wrong else []
    known = {"lines": [], "question": None, "kind": "main", "verb": word.capitalize(), "problems": problems, **more}
    code = 422 if wrong else 200
    return await visit.page("confirm.html", title, code, here=link, here_form=f"{link}/{word}", back=link, **known)


@router.post("/servers/{key}/rename")
async def rename(key: str, visit: Visiting) -> Response:
    """Rename it."""
    name = (await visit.form()).get("name", "").strip()
    row = await visit.server(key)
    try:
        answer = await visit.ask("server.rename", server=key, name=name)
    except Refused as refusal:
        return await _rename_page(visit, key, name, str(refusal))
    return visit.go(row["link"], f"{row['name']} is now {name}. {sheets.said(answer)}")


@router.get("/servers/{key}/delete")
async def ask_delete(key: str, visit: Visiting) -> Response:
    """Ask before it is deleted."""
    return await _delete_page(visit, key)


async def _delete_page(visit: Visit, key: str, wrong: str = "") -> Response:
    row = await visit.server(key)
    lines = [
        f"{row['name']} is taken out of the settings, and its connections are closed.",
        "Its folders stay where they are, with all mail in them.",
    ]
    if row["waiting"]:
        lines.append(f"{row['waiting']} recipients wait in its queue. Their mail stays in the folder and is not sent.")
    hint = f"Type the short name, {key}, to say that you mean this one."
    question = {"label": "Short name", "name": "answer", "value": "", "hint": hint}
    title = f"Delete {row['name']}"
    return await _confirm(
        visit, row["link"], title, "delete", lines=lines, question=question, kind="danger", wrong=wrong
    )


@router.post("/servers/{key}/delete")
async def delete(key: str, visit: Visiting) -> Response:
    """Delete it."""
    row = await visit.server(key)
    if (await visit.form()).get("answer", "").strip() != key:
        return await _delete_page(visit, key, f"this is not its short name; type {key}")
    try:
        answer = await visit.ask("server.delete", server=key, waiting=bool(row["waiting"]))
    except Refused as refusal:
        return await _delete_page(visit, key, str(refusal))
    return visit.go("/", f"{row['name']} is deleted. {sheets.said(answer)}")

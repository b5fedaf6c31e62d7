"""The page of those who are not signed in: where one signs in, or makes the first administrator."""

import contextlib
from collections.abc import Mapping
from pathlib import PurePath

from fastapi import Request
from fastapi.responses import Response

from mailroot.admin.access.entrance import local_path
from mailroot.admin.access.letting import access_of
from mailroot.admin.console.visit import bare_page
from mailroot.mail.faults import Fault

# What was wrong, by the word for it (`access.entrance`): the answer's status, and the sentence.
_WRONG = {
    "password": (401, "The name or the password is wrong."),
    "many": (429, "Too many wrong ones; try again later."),
    "code": (422, "This is not the set-up code, or it was used already."),
    "unfit": (
        422,
        "A name has letters, digits and . _ @ + - only, 64 at most; a password has ten characters at least.",
    ),
}


async def door(request: Request, wrong: str = "", typed: Mapping[str, str] | None = None) -> Response:
    """The page; after a mistake what was wrong, with what was `typed`, which has no password."""
    first, code_file = False, ""
    with contextlib.suppress(Fault):  # who cannot be told yet whether there is somebody may sign in all the same
        known = await access_of(request).known()
        first, code_file = known.book.unclaimed, PurePath(known.setup).name
    code, sentence = _WRONG.get(wrong, (200, ""))
    given = {"name": "", "code": "", "next": request.query_params.get("next", "/"), **(typed or {})}
    wanted = local_path(given.pop("next"))
    title = "First set-up" if first else "Sign in"
    return bare_page(
        "login.html", title, code, first=first, code_file=code_file, wrong=sentence, next=wanted, typed=given
    )

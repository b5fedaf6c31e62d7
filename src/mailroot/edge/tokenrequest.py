"""One request for an access token: from a token endpoint (RFC 6749), or from a command that prints one.

Nothing is raised: what went wrong is a clause that holds no secret. Not responsible for keeping tokens (`edge.tokens`).
"""

import asyncio
import contextlib
import json
import os
import signal
import ssl
from pathlib import Path
from typing import Any

from mailroot.edge.settingsfile import SettingsFile, secret_in
from mailroot.edge.tokens import Granted, TokenFailed
from mailroot.mail.faults import Fault
from mailroot.settings.delivery import OAuth2

_WAIT = 30.0
_END_WAIT = 1.0
# Tokens of 20 KB have been seen where an account is in thousands of groups.
_LARGEST = 256 * 1024
# How long a token is believed whose end nobody told (RFC 6749 section 5.1 only recommends to tell).
_UNTOLD = 300.0
_LONGEST = 86_400.0
_TEXT_SHOWN = 500


async def request_token(oauth2: OAuth2) -> Granted | TokenFailed:
    """A fresh token, within half a minute."""
    try:
        async with asyncio.timeout(_WAIT):
            if oauth2.token_command:
                return await _from_command(oauth2.token_command)
            return await _from_endpoint(oauth2)
    except TimeoutError:
        return TokenFailed(f"no answer within {_WAIT:.0f} seconds")


# --- from an endpoint ---


async def _from_endpoint(oauth2: OAuth2) -> Granted | TokenFailed:
    import httpx2  # noqa: PLC0415 - only who uses OAuth 2 pays for it

    form = {"client_id": oauth2.client_id}
    if oauth2.client_secret:
        form["client_secret"] = oauth2.client_secret
    refresh_token = await asyncio.to_thread(_refresh_token, oauth2)
    if refresh_token:
        form |= {"grant_type": "refresh_token", "refresh_token": refresh_token}
    else:
        form["grant_type"] = "client_credentials"
    if oauth2.scope:
        form["scope"] = oauth2.scope
    try:
        status, octets = await _posted(oauth2.token_url, form)
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as fault:
        return TokenFailed(_shown(str(fault) or type(fault).__name__))
    answer = _members(octets)
    if status != 200:
        return TokenFailed(_refusal(status, answer))
    newer = answer.get("refresh_token")
    if oauth2.refresh_token_file and isinstance(newer, str) and newer and newer != refresh_token:
        await asyncio.to_thread(_keep, oauth2.refresh_token_file, newer)
    return _granted(answer)


async def _posted(url: str, form: dict[str, str]) -> tuple[int, bytes]:
    """Status and body of the answer; of a body too large, the beginning. Redirects are not followed with a secret."""
    import httpx2  # noqa: PLC0415

    context = ssl.create_default_context()
    octets = b""
    # The environment may name a proxy: inside TLS it learns nothing, but what is in clear must not leave this machine.
    by_proxy = url.startswith("https:")
    async with (
        httpx2.AsyncClient(verify=context, timeout=_WAIT, follow_redirects=False, trust_env=by_proxy) as client,
        client.stream("POST", url, data=form, headers={"Accept": "application/json"}) as response,
    ):
        async for piece in response.aiter_bytes():
            octets += piece
            if len(octets) > _LARGEST:
                break
        return response.status_code, octets[:_LARGEST]


def _refresh_token(oauth2: OAuth2) -> str:
    """The token that stands in the file now: another worker may have got a newer one than the settings had."""
    if oauth2.refresh_token_file:
        with contextlib.suppress(Fault):
            return secret_in(oauth2.refresh_token_file)
    return oauth2.refresh_token


def _keep(path: str, token: str) -> None:
    """Write a new refresh token where the old one was. Where we may not, the old one goes on to be used."""
    with contextlib.suppress(Fault, OSError):
        SettingsFile(Path(path)).replace(f"{token}\n")


def _refusal(status: int, answer: dict[str, Any]) -> str:
    """RFC 6749 section 5.2."""
    words = [answer.get(name) for name in ("error", "error_description")]
    said = ": ".join(word for word in words if isinstance(word, str) and word)
    return _shown(f"the endpoint answered {status}" + (f", {said}" if said else ""))


# --- from a command ---


async def _from_command(command: tuple[str, ...]) -> Granted | TokenFailed:
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=nothing, stdout=pipe, stderr=pipe, limit=_LARGEST, start_new_session=True
        )
    except (OSError, ValueError) as fault:
        return TokenFailed(f"the command cannot be run: {getattr(fault, 'strerror', None) or fault}".lower())
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        said, complained = await asyncio.gather(_read(process.stdout), _read(process.stderr))
        code = await process.wait()
    finally:
        if process.returncode is None:
            await _end(process)
    if code != 0:
        why = _shown(complained.decode(errors="replace"))
        return TokenFailed(f"the command ended with {code}" + (f": {why}" if why else ""))
    answer = _members(said)
    return _granted(answer or {"access_token": said.decode(errors="replace").strip()})


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill a command with all that it started, and wait until its pipes are gone: a child of it may have left it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_END_WAIT):
            await process.wait()


async def _read(stream: asyncio.StreamReader) -> bytes:
    """All that comes, up to the limit; the rest is read and forgotten, so that nobody waits for us."""
    octets = b""
    while piece := await stream.read(65_536):
        octets = (octets + piece)[:_LARGEST]
    return octets


# --- both ---


def _members(octets: bytes) -> dict[str, Any]:
    """The members of a JSON object; none where it is something else."""
    try:
        members = json.loads(octets)
    except (ValueError, RecursionError):
        return {}
    return members if isinstance(members, dict) else {}


def _granted(answer: dict[str, Any]) -> Granted | TokenFailed:
    token, lasts = answer.get("access_token"), answer.get("expires_in")
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable() or " " in token:
        return TokenFailed("the answer holds no access token")
    with contextlib.suppress(TypeError, ValueError):  # some endpoints write the number as text
        return Granted(token, min(max(0.0, float(lasts)), _LONGEST))  # type: ignore[arg-type]
    return Granted(token, _UNTOLD)


def _shown(text: str) -> str:
    """What a stranger said, as a short line."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return line if len(line) <= _TEXT_SHOWN else f"{line[:_TEXT_SHOWN]}..."

"""Accounts of a Windows domain, by Samba's program ntlm_auth: a few of them run and are asked line by line.

Passwords go by its protocol "squid-2.5-basic", tokens of NTLM by "squid-2.5-ntlmssp", where one process holds one
exchange at a time. A process that does not answer in time, answers nonsense or is left in the middle is ended.
"""

import asyncio
import base64
import binascii
import contextlib
import operator
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Set
from urllib.parse import quote

from mailroot.edge.accounts.eventime import EVEN_SECONDS, even
from mailroot.edge.accounts.passwordsalone import PasswordsAlone
from mailroot.mail.faults import Unavailable
from mailroot.policy.account import full_name
from mailroot.wire.sasl.server import Need
from mailroot.wire.sasl.words import ContextFailed, ContextToken

_PASSWORDS, _TOKENS = "squid-2.5-basic", "squid-2.5-ntlmssp"
_LONGEST_LINE = 64 * 1024
# A domain controller that does not answer is given up; so is a place among the processes.
_PATIENCE = 20.0
_MOST = 8
_MOST_WAITING = 128


class Programs:
    """Running ntlm_auths of one protocol: at most `most`, each used by one exchange at a time."""

    def __init__(self, program: str, protocol: str, most: int = _MOST, patience: float = _PATIENCE) -> None:
        self._command = (program, f"--helper-protocol={protocol}")
        self._idle: list[Process] = []
        self._ending: set[Process] = set()
        self._room = asyncio.Semaphore(most)
        self._waiting = 0
        self._patience = patience

    async def take(self) -> Process:
        """A process for one exchange; `give` or `drop` must follow. Raises `Unavailable`."""
        if self._waiting >= _MOST_WAITING:
            raise Unavailable(f"{self._command[0]}: {_MOST_WAITING} sign-ins wait for it")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._patience):
                await self._room.acquire()
        except TimeoutError as fault:
            raise Unavailable(f"{self._command[0]}: all are busy for {self._patience:g} s") from fault
        finally:
            self._waiting -= 1
        try:
            while self._idle:
                process = self._idle.pop()
                if process.returncode is None:
                    return process
            return await self._started()
        except BaseException:
            self._room.release()
            raise

    async def _started(self) -> Process:
        try:
            return await asyncio.create_subprocess_exec(
                *self._command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, limit=_LONGEST_LINE
            )
        except OSError as fault:
            raise Unavailable(f"{self._command[0]}: {fault.strerror or fault}; Samba's winbind brings it") from fault

    def give(self, process: Process) -> None:
        """The exchange has ended well: the next one may have the process."""
        self._idle.append(process)
        self._room.release()

    def drop(self, process: Process) -> None:
        """The process is in the middle of something, or broken: end it."""
        self._end(process)
        self._room.release()

    def _end(self, process: Process) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        self._ending = {one for one in self._ending if one.returncode is None} | {process}

    async def ask(self, process: Process, line: str) -> tuple[str, str]:
        """The first word of the answer, and the rest. Raises `Unavailable`, whose text has nothing of the question."""
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            async with asyncio.timeout(self._patience):
                process.stdin.write(line.encode() + b"\n")
                await process.stdin.drain()
                answer = await process.stdout.readline()
        except TimeoutError as fault:
            raise Unavailable(f"{self._command[0]} did not answer within {self._patience:g} s") from fault
        except (OSError, ValueError) as fault:
            raise Unavailable(f"{self._command[0]} broke off") from fault
        if not answer.endswith(b"\n"):
            raise Unavailable(f"{self._command[0]} ended; does winbind run, and may the service use it?")
        word, _, rest = answer.decode(errors="replace").strip().partition(" ")
        return word, rest

    @contextlib.asynccontextmanager
    async def taken(self) -> AsyncIterator[Process]:
        """A process for the block; it is ended where the block fails."""
        process = await self.take()
        try:
            yield process
        except BaseException:
            self.drop(process)
            raise
        self.give(process)

    async def close(self) -> None:
        """End those that are idle, and see those out that were ended; the others end with their exchanges."""
        while self._idle:
            self._end(self._idle.pop())
        for process in self._ending:
            await process.wait()


class SambaAccounts(PasswordsAlone):
    """The accounts that Samba knows (`service.receive.accounts.Accounts`). `domain` is put before names without one."""

    def __init__(self, program: str, domain: str, *, ntlm: bool, even_seconds: float = EVEN_SECONDS) -> None:
        self._passwords = Programs(program, _PASSWORDS)
        self._tokens = Programs(program, _TOKENS)
        self._domain = domain
        self._even = even_seconds
        self.answers: Set[Need] = frozenset({Need.PASSWORD, Need.NT_CONTEXT} if ntlm else {Need.PASSWORD})

    async def check(self, user: str, password: str, _client: str = "") -> bool:
        """Whether this is the user's password in its domain; a refusal takes a while, whatever its cause."""
        return await even(self._checked(user, password), operator.not_, self._even)

    async def _checked(self, user: str, password: str) -> bool:
        if not user or not password:
            return False
        try:
            name, secret = (quote(text, safe="") for text in (full_name(user, self._domain), password))
        except UnicodeEncodeError:
            return False
        async with self._passwords.taken() as process:
            word, _ = await self._passwords.ask(process, f"{name} {secret}")
            if word not in ("OK", "ERR"):
                raise Unavailable("ntlm_auth gave an answer that is none of its protocol")
        return word == "OK"

    def context(self, _need: Need) -> "SambaContext":
        """A new exchange of NTLM."""
        return SambaContext(self._tokens, self._even)

    async def close(self) -> None:
        """End the processes."""
        await self._passwords.close()
        await self._tokens.close()


class SambaContext:
    """One exchange of NTLM: two tokens of the client, one of the server (`service.receive.accounts`)."""

    def __init__(self, programs: Programs, even_seconds: float = EVEN_SECONDS) -> None:
        self._programs = programs
        self._even = even_seconds
        self._process: Process | None = None
        self._over = False

    async def step(self, token: bytes) -> ContextToken | ContextFailed:
        """Hand the token on; a refusal takes a while, whatever its cause. Raises `Unavailable`."""
        return await even(self._stepped(token), lambda found: isinstance(found, ContextFailed), self._even)

    async def _stepped(self, token: bytes) -> ContextToken | ContextFailed:
        if self._over or not token:
            self.close()
            return ContextFailed("a token that NTLM does not have")
        first = self._process is None
        if self._process is None:
            self._process = await self._programs.take()
        try:
            question = f"{'YR' if first else 'KK'} {base64.b64encode(token).decode()}"
            word, rest = await self._programs.ask(self._process, question)
        except BaseException:
            self.close()
            raise
        if first and word == "TT":
            return self._challenge(rest)
        return self._end(word, rest, first=first)

    def _challenge(self, text: str) -> ContextToken | ContextFailed:
        try:
            return ContextToken(base64.b64decode(text, validate=True))
        except binascii.Error:
            self.close()
            return ContextFailed("ntlm_auth: a challenge that is no base64")

    def _end(self, word: str, rest: str, *, first: bool) -> ContextToken | ContextFailed:
        """What the last answer means: AF has the user, NA says why not, BH that something is broken."""
        if word in ("AF", "NA") and not first and self._process is not None:
            self._over, process, self._process = True, self._process, None
            self._programs.give(process)
            # Samba may have been told to let strangers in as guests: a name it must give.
            return ContextToken(b"", rest) if word == "AF" and rest else ContextFailed(f"ntlm_auth: {rest}")
        self.close()
        if word == "BH":
            raise Unavailable(f"ntlm_auth: {rest}")
        return ContextFailed(f"ntlm_auth: {rest or word}")

    async def wrap(self, data: bytes) -> ContextFailed:
        """NTLM seals nothing here."""
        return ContextFailed(f"{len(data)} octets to seal, which NTLM does not do here")

    async def unwrap(self, data: bytes) -> ContextFailed:
        """NTLM opens nothing here."""
        return ContextFailed(f"{len(data)} octets to open, which NTLM does not do here")

    def close(self) -> None:
        """End a process that is in the middle of the exchange."""
        self._over, process, self._process = True, self._process, None
        if process is not None:
            self._programs.drop(process)

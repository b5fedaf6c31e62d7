"""What a trace of system calls (strace) says about the order of promises and syncs.

A call's lines are in the order in which strace saw it begin and end; a call that is written in one line had no other
between its beginning and its end. So "the sync had returned before the answer was begun" can be read from the lines.
"""

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

TRACED = "write,writev,sendto,sendmsg,fsync,fdatasync,syncfs,pwrite64,pwritev,linkat,rename,renameat,renameat2,unlinkat"

_LINE = re.compile(r"^(\d+) +(.*)$")
_WHOLE = re.compile(r"^(\w+)\((.*)\) += (-?\d+|\?)[^=]*$", re.DOTALL)
_RESUMED = re.compile(r"^<\.\.\. (\w+) resumed>(.*)$", re.DOTALL)
_PATH = re.compile(r"^\d+<([^<>]*)>")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_IDENT = re.compile(r"<mail[^<> ]{10,100}@[^<> ]+>")  # a Message-ID that the service made
_CLAIM = re.compile(r"[0-9a-f]{14,17}-[0-9a-f]{2,16}")


@dataclass(slots=True)
class Call:
    """One call of one thread. `result` is None while it has not returned."""

    thread: str
    name: str
    words: str
    result: int | None = None

    @property
    def path(self) -> str:
        """The path of the descriptor that the call is about."""
        found = _PATH.match(self.words)
        return found[1].removesuffix("(deleted)") if found else ""


def steps(lines: Iterable[str]) -> Iterator[tuple[str, Call]]:
    """The beginnings and ends of calls: ("begin", call) and ("end", call), in their order."""
    open_calls: dict[str, Call] = {}
    for line in lines:
        found = _LINE.match(line.rstrip("\n"))
        if found is None:
            continue
        thread, text = found.groups()
        if text.endswith("<unfinished ...>"):
            name, _, words = text.removesuffix(" <unfinished ...>").partition("(")
            call = open_calls[thread] = Call(thread, name, words)
            yield "begin", call
            continue
        resumed = _RESUMED.match(text)
        if resumed is not None:
            call = open_calls.pop(thread, Call(thread, resumed[1], ""))
            text = f"{call.name}({call.words}{resumed[2]}"
        whole = _WHOLE.match(text)
        if whole is None:
            continue
        if resumed is None:
            call = Call(thread, whole[1], whole[2])
            yield "begin", call
        call.words, call.result = whole[2], -1 if whole[3] == "?" else int(whole[3])
        yield "end", call


@dataclass(slots=True)
class Log:
    """A write-ahead log: what stands in it, what of that a commit mark ends, and what of that is synced."""

    begun: set[str] = field(default_factory=set)
    committed: set[str] = field(default_factory=set)
    durable: set[str] = field(default_factory=set)
    ends_transaction: bool = False


@dataclass(slots=True)
class Judge:
    """Follows a trace and notes each promise that came too early. `promises` counts those that were looked at.

    `quiet` says that one message is served at a time: then the first write to the log after a 250 and the appearance of
    Drop files is their settlement. Of one process: descriptors are told apart by their numbers.
    """

    quiet: bool = True
    faults: list[str] = field(default_factory=list)
    promises: dict[str, int] = field(default_factory=dict)
    _logs: dict[str, Log] = field(default_factory=dict)
    _syncing: dict[int, set[str]] = field(default_factory=dict)
    _unsynced: set[str] = field(default_factory=set)  # files with writes, folders with names that no sync covers
    _file_of: dict[str, str] = field(default_factory=dict)  # Message-ID -> its content's file
    _file_at: dict[str, str] = field(default_factory=dict)  # descriptor -> the file that was written by it last
    _dropped: list[str] = field(default_factory=list)  # Drop files since the last 250
    _settling: bool = False

    def follow(self, lines: Iterable[str]) -> "Judge":
        """Judge a whole trace."""
        for moment, call in steps(lines):
            rule = getattr(self, f"_{moment}_{_KINDS.get(call.name, call.name)}", None)
            if rule is not None:
                rule(call)
        return self

    def _promise(self, kind: str, kept: bool, what: str) -> None:
        self.promises[kind] = self.promises.get(kind, 0) + 1
        if not kept:
            self.faults.append(f"{kind}: {what}")

    @property
    def _durable(self) -> set[str]:
        return set().union(*(log.durable for log in self._logs.values()))

    # -- writes

    def _begin_write(self, call: Call) -> None:
        if call.path.startswith("TCP") and "250 2.6.0 " in call.words:
            for ident in _IDENT.findall(call.words):
                self._promise("accepted", ident in self._durable, f"{ident}: 250 before the log was synced")
            self._dropped.clear()
            self._settling = True
        elif call.path.endswith("-wal"):
            self._before_log()

    def _before_log(self) -> None:
        if not (self.quiet and self._settling and self._dropped):
            return
        for name in self._dropped:
            folder = name.rpartition("/")[0]
            self._promise("delivered", folder not in self._unsynced, f"{name}: settled before its folder was synced")
        self._settling = False

    def _end_write(self, call: Call) -> None:
        if call.path.endswith("-wal"):
            self._logged(call)
        elif "/SortTemp/" in call.path or "/Drop" in call.path:
            self._unsynced.add(call.path)
            self._file_at[call.words.partition("<")[0]] = call.path
            for ident in _IDENT.findall(call.words):
                self._file_of.setdefault(ident, call.path)

    def _logged(self, call: Call) -> None:
        log = self._logs.setdefault(call.path, Log())
        quoted = _QUOTED.search(call.words)
        if call.result == 24 and quoted is not None:  # a frame's header; its second word ends a transaction
            log.ends_transaction = codecs.escape_decode(quoted[1].encode())[0][4:8] != bytes(4)  # type: ignore[index]
            return
        log.begun.update(_IDENT.findall(call.words), _CLAIM.findall(call.words))
        if log.ends_transaction:
            log.committed |= log.begun
            log.begun = set()

    # -- syncs

    def _begin_sync(self, call: Call) -> None:
        if call.path.endswith("-wal"):
            log = self._logs.setdefault(call.path, Log())
            self._syncing[id(call)] = set(log.committed)
            for ident in log.committed - log.durable:
                self._check_content(ident)
        elif call.name == "syncfs":
            self._syncing[id(call)] = set(self._unsynced)
        else:
            self._syncing[id(call)] = {call.path} & self._unsynced

    def _check_content(self, ident: str) -> None:
        path = self._file_of.get(ident)
        if path is None or "/Drop" in path:
            return
        late = [
            one for one in (path, path.rpartition("/")[0].replace("/SortTemp/", "/Queue/")) if one in self._unsynced
        ]
        self._promise("content", not late, f"{ident}: its entry is synced before {late}")

    def _end_sync(self, call: Call) -> None:
        covered = self._syncing.pop(id(call), set())
        if call.result != 0:
            return
        if call.path.endswith("-wal"):
            self._logs[call.path].durable |= covered
        else:
            self._unsynced -= covered

    # -- names

    def _end_rename(self, call: Call) -> None:
        paths = _QUOTED.findall(call.words)
        if call.result != 0 or len(paths) != 2:
            return
        if ".part" in call.words:
            self._end_linkat(call)
        elif paths[1].endswith(".msg"):
            self._unsynced.add(paths[1].rpartition("/")[0])
        elif "/SortTemp/pickup-" in call.words:
            self._unsynced.add(_folders(call.words)[-1])

    def _begin_linkat(self, call: Call) -> None:
        found = re.search(r'"/proc/self/fd/(\d+)"', call.words)
        if found is not None and ".eml" in call.words:
            self._appears(call, self._file_at.get(found[1], ""))

    def _begin_rename(self, call: Call) -> None:
        if ".part" in call.words:  # where a file system has no nameless files
            self._appears(call, f"{_folders(call.words)[0]}/{_QUOTED.findall(call.words)[0]}")

    def _appears(self, call: Call, path: str) -> None:
        self._promise("appeared", path not in self._unsynced, f"{call.words}: appears before {path} is synced")

    def _end_linkat(self, call: Call) -> None:
        if call.result == 0 and ".eml" in call.words:
            folder = _folders(call.words)[-1]
            self._unsynced.add(folder)
            self._dropped.append(f"{folder}/{_QUOTED.findall(call.words)[-1]}")

    def _begin_unlinkat(self, call: Call) -> None:
        if "/SortTemp/pickup-" not in call.words:
            return
        claim = _QUOTED.findall(call.words)[-1].removesuffix(".eml")
        self._promise("picked", claim in self._durable, f"{claim}: removed before its commit was synced")


_KINDS = {
    **dict.fromkeys(("write", "writev", "sendto", "sendmsg", "pwrite64", "pwritev"), "write"),
    **dict.fromkeys(("fsync", "fdatasync", "syncfs"), "sync"),
    **dict.fromkeys(("rename", "renameat", "renameat2"), "rename"),
}


def _folders(words: str) -> list[str]:
    """The folders whose descriptors a call names."""
    return re.findall(r"(?:\b\d+|AT_FDCWD)<([^<>]*)>", words)

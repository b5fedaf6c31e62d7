"""From the rules down nothing does I/O, reads a clock or a random source: those come in as arguments."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "mailroot"
PURE = ("mail", "wire", "settings", "policy", "routing", "queue")
FORBIDDEN_MODULES = set(
    "apsw asyncinotify asyncio concurrent cryptography dns fcntl ftplib getpass http importlib io logging mmap"
    " multiprocessing platform pty random sched secrets select selectors shutil signal smtplib socket socketserver"
    " sqlite3 ssl subprocess sys syslog tempfile termios threading time urllib uuid uvloop".split()
)
FORBIDDEN_CALLS = {"open", "input", "print", "__import__", "exec", "eval", "breakpoint"}
FORBIDDEN_METHODS = {"now", "utcnow", "today"} | set(  # of datetime and date; then of Path
    "read_text read_bytes write_text write_bytes iterdir is_file is_dir mkdir unlink touch expanduser cwd lstat".split()
)
PURE_OF_OS = {"path", "fspath", "PathLike", "sep"}


def faults(source: str) -> Iterator[str]:
    """Yield "LINE: FAULT" for everything in the text that makes a module impure."""
    for node in ast.walk(ast.parse(source)):
        for fault in _faults_of(node):
            yield f"{node.lineno}: {fault}"


def _faults_of(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (f"imports {name.name}" for name in names if name.name.split(".")[0] in FORBIDDEN_MODULES)
        case ast.ImportFrom(module=str(module), names=names, level=0):
            if module.split(".")[0] in FORBIDDEN_MODULES:
                yield f"imports {module}"
            if module == "os":
                yield from (f"imports os.{name.name}" for name in names if name.name not in PURE_OF_OS)
        case ast.Attribute(value=ast.Name(id="os"), attr=attribute) if attribute not in PURE_OF_OS:
            yield f"uses os.{attribute}"
        case ast.Call(func=ast.Name(id=name)) if name in FORBIDDEN_CALLS:
            yield f"calls {name}()"
        case ast.Call(func=ast.Attribute(attr=name)) if name in FORBIDDEN_METHODS:
            yield f"calls .{name}()"


@pytest.mark.parametrize("ring", PURE)
def test_the_ring_is_pure(ring):
    modules = list((SOURCE / ring).rglob("*.py"))
    assert modules
    found = [f"{path.relative_to(SOURCE)}:{fault}" for path in modules for fault in faults(path.read_text("utf-8"))]
    assert found == []


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("import asyncio", "1: imports asyncio"),
        ("import os.path, socket", "1: imports socket"),
        ("from concurrent.futures import Future", "1: imports concurrent.futures"),
        ("def f():\n    import random", "2: imports random"),
        ("from os import environ", "1: imports os.environ"),
        ("import os\nos.environ['HOME']", "2: uses os.environ"),
        ("import os\nos.urandom(8)", "2: uses os.urandom"),
        ("open('file')", "1: calls open()"),
        ("from datetime import datetime\ndatetime.now()", "2: calls .now()"),
        ("date.today()", "1: calls .today()"),
        ("Path('x').read_text()", "1: calls .read_text()"),
    ],
)
def test_impurity_is_seen(source, fault):
    assert list(faults(source)) == [fault]


@pytest.mark.parametrize(
    "source",
    [
        "from datetime import datetime, time, timedelta",
        "import os\nos.path.join('a', 'b')",
        "def decide(now): return now + 1",
        "from mailroot.queue.entry import QueueEntry",
        "reply.open",
    ],
)
def test_pure_text_passes(source):
    assert list(faults(source)) == []

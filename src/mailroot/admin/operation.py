"""What an operation is: its name, its arguments, who may ask for it. The table of them is `admin.operations`."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass


class Permission(enum.Enum):
    """What somebody must be allowed to do. What is `OWN` everybody may: it proves itself whose it is."""

    OWN = "own"
    READ = "read"
    OPERATE = "operate"
    CONFIGURE = "configure"
    ADMINISTER = "administer"


class Scope(enum.Enum):
    """How an operation stands to virtual servers, for those who are operators of some of them only.

    It names one by its argument `server`; its answer says of which each row is, and is limited to those; it is about
    the service as a whole, and not for them; it is about nobody but who asks. What is not said is about the service.
    """

    SERVER = "server"
    ANSWER = "answer"
    SERVICE = "service"
    OWN = "own"


class Kind(enum.Enum):
    """What an argument is.

    A name that must or may be given, a flag, text behind a word, which may be demanded, or a secret, which is asked for
    or read from standard input and never typed on the command line. A table is names with their values: an object in
    JSON, NAME=VALUE words on the command line.
    """

    NAME = "name"
    OPTIONAL = "optional"
    FLAG = "flag"
    OPTION = "option"
    DEMANDED = "demanded"
    SECRET = "secret"  # noqa: S105
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of an operation. `value` is what people read for the text behind the word of an option.

    `choices` are the only texts that it can be; none: any. With `most` it is a number from 1 to that. Where the flag
    `unless` is given, it need not be.
    """

    name: str
    kind: Kind
    sentence: str
    value: str = ""
    choices: tuple[str, ...] = ()
    most: int = 0
    unless: str = ""

    @property
    def number(self) -> bool:
        """Whether it is a number; it may be typed as text."""
        return self.value == "REVISION" or self.name == "limit"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    `name` is that of the control protocol; its parts are the words of the command line. `columns` are the keys of the
    result's rows in the order in which people read them; none where the result is one table of facts. `counted` is the
    key of the result that is 0 where nothing was found to act on. With `paged`, the result is
    `{"rows": [...], "next": cursor}`, and the operation takes "after" and "limit" too; one that also gives "previous"
    takes that as "before". With `bulk`, it works for a second at most and is to be asked again with "after" until
    `next` is ""; its numbers add up. One that is `selective` does nothing unless an argument says to what. One that is
    `watched` can be shown anew again and again. One that gives `pieces` takes "after" and "limit" in octets; its result
    is `{"size": ..., "offset": ..., "data": base64, "next": where to go on}`. One that `reads`
    changes nothing, whatever it needs permission for. Where it `answers_by_server`, its rows or its facts tell the
    virtual server as `server` (or `key`), and it only reads; where it is `cut` to the first of many rows, it is told
    which virtual servers somebody may see. For one that is `typed_otherwise` the command line has a
    command of its own, which works without a service too. `seconds` is how long whoever asks should wait.
    """

    name: str
    sentence: str
    permission: Permission
    arguments: tuple[Argument, ...] = ()
    columns: tuple[str, ...] = ()
    counted: str = ""
    paged: bool = False
    watched: bool = False
    bulk: bool = False
    selective: bool = False
    pieces: bool = False
    reads: bool = False
    answers_by_server: bool = False
    cut: bool = False
    typed_otherwise: bool = False
    seconds: float = 10.0

    @property
    def scope(self) -> Scope:
        """How it stands to virtual servers."""
        if self.permission is Permission.OWN:
            return Scope.OWN
        if self.permission is not Permission.ADMINISTER and any(one.name == "server" for one in self.arguments):
            return Scope.SERVER
        return Scope.ANSWER if self.answers_by_server else Scope.SERVICE

    @property
    def words(self) -> tuple[str, ...]:
        """What is typed for it."""
        return tuple(self.name.split("."))

    @property
    def changes(self) -> bool:
        """Whether it changes anything, so that it is recorded."""
        return self.permission is not Permission.READ and not self.reads

    def selects(self, given: Mapping[str, object]) -> bool:
        """Whether arguments say whom it concerns; what is demanded or told says how, and a cursor from where on."""
        how = {argument.name for argument in self.arguments if argument.kind is Kind.DEMANDED} | {"words", "after"}
        return any(given[name] not in ("", False, None) for name in given.keys() - how)

    @property
    def local(self) -> bool:
        """Whether it is for the machine itself alone, because an argument names a folder there."""
        return any(argument.value == "FOLDER" for argument in self.arguments)

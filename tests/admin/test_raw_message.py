"""A message as a file: whole, however many pieces it comes in, and never shown by a browser."""

import base64
from typing import Any, cast

from mailroot.admin.console.messages import raw_file
from mailroot.admin.console.visit import Visit

MESSAGE = b"Subject: x\r\n\r\n" + bytes(range(256)) * 10
PIECE = 1000


class Reader:
    """A visit that reads pieces as the service gives them."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    async def ask(self, operation: str, **arguments: Any) -> Any:
        self.asked.append(arguments)
        assert len(self.asked) < 10, "it reads the same piece again and again"
        begin = int(arguments.get("after", "0"))
        end = min(begin + PIECE, len(MESSAGE))
        data = base64.b64encode(MESSAGE[begin:end]).decode()
        return {"size": len(MESSAGE), "offset": begin, "data": data, "next": str(end) if end < len(MESSAGE) else ""}


async def test_a_message_is_saved_whole_and_never_shown() -> None:
    reader = Reader()
    answer: Any = await raw_file(cast(Visit, reader), "badmail.raw", 'a"\r\nX: <b>.eml', server="one", name="a")
    assert b"".join([piece async for piece in answer.body_iterator]) == MESSAGE
    assert [one.get("after", "") for one in reader.asked] == ["", "1000", "2000"]
    assert answer.headers["content-disposition"] == 'attachment; filename="a___X___b_.eml"'
    assert answer.headers["content-type"] == "application/octet-stream"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"

"""A service on another machine, asked over its REST interface.

The token goes in a header, over TLS or to this very machine only. No redirect is followed: nobody else gets it.
"""

import ipaddress
import json
import ssl
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx2

from mailroot.edge.control import Refused
from mailroot.mail.faults import ConnectionLost, Misconfigured, Unavailable

_SECONDS = 90.0
_LARGEST_ANSWER = 32 * 1024 * 1024


class RemoteService:
    """A service by its address, such as https://host:8025. `authorities` is a file of certificates, "" the system's.

    Raises `Misconfigured` where the address is none, or where the token would go in the clear.
    """

    def __init__(self, url: str, token: str, authorities: str = "") -> None:
        place = urlsplit(url)
        if place.scheme not in ("http", "https") or not place.hostname or place.username or place.query:
            raise Misconfigured(f"{url}: the address of a service is https://HOST:PORT")
        if place.scheme == "http" and not _here(place.hostname):
            raise Misconfigured(f"{url}: the token would go in the clear; use https")
        self._url = f"{place.scheme}://{place.netloc}{place.path.rstrip('/')}/api/v1/"
        try:
            trust = ssl.create_default_context(cafile=authorities or None)
        except OSError as fault:
            raise Misconfigured(f"{authorities}: no file of certificates: {fault.strerror or fault}") from fault
        # An answer that is packed might be short on the way and long here.
        headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}
        self._client = httpx2.Client(verify=trust, headers=headers, timeout=_SECONDS, trust_env=False)

    def ask(self, path: str, arguments: Mapping[str, object], *, changes: bool) -> Any:
        """The result of the operation of this path. Raises `Refused`, `Unavailable` or `ConnectionLost`."""
        url = self._url + path
        try:
            if changes:
                request = self._client.build_request("POST", url, json=dict(arguments))
            else:
                query = {name: "true" if value is True else str(value) for name, value in arguments.items()}
                request = self._client.build_request("GET", url, params=query)
            return _result(*self._answer(request, url), url)
        except httpx2.TimeoutException as fault:
            raise Unavailable(f"{url}: no answer within {_SECONDS:g} s; try again") from fault
        except httpx2.HTTPError as fault:
            raise ConnectionLost(f"{url}: {fault}") from fault

    def _answer(self, request: httpx2.Request, url: str) -> tuple[int, bytes]:
        """Status and octets of an answer; one that is too long or takes too long is not read to its end."""
        octets, deadline = bytearray(), time.monotonic() + _SECONDS
        answer = self._client.send(request, stream=True)
        try:
            for piece in answer.iter_raw():
                octets += piece
                if len(octets) > _LARGEST_ANSWER:
                    raise Unavailable(f"{url}: the answer is longer than {_LARGEST_ANSWER} octets")
                if time.monotonic() > deadline:
                    raise Unavailable(f"{url}: no whole answer within {_SECONDS:g} s; try again")
        finally:
            answer.close()
        return answer.status_code, bytes(octets)


def _here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _result(status: int, octets: bytes, url: str) -> Any:
    try:
        whole = json.loads(octets)
    except ValueError as fault:
        raise Unavailable(f"{url}: the answer is none of Mailroot's (status {status})") from fault
    if status == 200:
        return whole
    detail = str(whole.get("detail", "")) if isinstance(whole, dict) else ""
    if status == 503:
        raise Unavailable(f"{url}: {detail}")
    problems = whole.get("problems") or () if isinstance(whole, dict) else ()
    raise Refused(detail or f"{url}: status {status}", str(status), problems)

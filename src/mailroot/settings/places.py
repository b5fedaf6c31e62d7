"""Places in the network as settings name them: bindings, smart hosts, and entries of address lists."""

import ipaddress
import re
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network

from mailroot.mail.address import domain_key
from mailroot.settings.spelling import Spelling

# A network, of one where it is a single address, or a domain name in the form in which names are compared; "*." may
# stand before it.
AddressEntry = IPv4Network | IPv6Network | str

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
MOST_WEIGHT = 1000
_TURN_WORD = re.compile(r" *(order|weight) *= *(\d{1,4}) *", re.ASCII)
_HOST_PORT = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>\d{1,5}))?", re.ASCII)

_DIRECTORY_URL = re.compile(r"(?P<scheme>ldaps?)://(?P<place>[^/?#]+)/?", re.ASCII | re.IGNORECASE)
_WEB_PLACE = re.compile(r"(?P<scheme>https?)://(?P<place>[^/?#@]+)/?", re.ASCII | re.IGNORECASE)
_WEB_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Binding:
    """An address, without brackets, and a TCP port. `str` gives "192.0.2.1:25" or "[::]:25"."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class SmartHost:
    """A host that takes mail for others. `port` is None where none was given, `order` and `weight` are 0.

    `host` is a name, or with `literal` an address without brackets, for which no name is looked up. What `order` and
    `weight` mean is said by `routing.smarthosts`. `str` gives host and port alone, `spelled` all that a file may say.
    """

    host: str
    port: int | None = None
    literal: bool = False
    order: int = 0
    weight: int = 0

    def __str__(self) -> str:
        host = f"[{self.host}]" if self.literal else self.host
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def spelled(self) -> str:
        """The host as the settings file writes it."""
        order = f";order={self.order}" if self.order else ""
        return f"{self}{order}{f';weight={self.weight}' if self.weight else ''}"


@dataclass(frozen=True, slots=True)
class DirectoryServer:
    """A server of a directory. `host` is a name or an address, without brackets; `tls` from the first octet on."""

    host: str
    port: int
    tls: bool = False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'ldaps' if self.tls else 'ldap'}://{host}:{self.port}"


def is_name(name: str) -> bool:
    """Whether this is a host or domain name (RFC 5321 section 2.3.5), after `domain_key`."""
    labels = name.split(".")
    return len(name) <= 253 and all(_LABEL.fullmatch(label) for label in labels) and not labels[-1].isdigit()


def _split(text: object, wanted: str, least: int = 1) -> tuple[str, int | None]:
    found = _HOST_PORT.fullmatch(text) if isinstance(text, str) else None
    if found is None or not found["host"]:
        raise ValueError(wanted)
    if found["port"] is None:
        return found["host"], None
    port = int(found["port"])
    if not least <= port <= 65535:
        raise ValueError("a port from 1 to 65535 is wanted")
    return found["host"], port


def _address(text: str, wanted: str) -> str:
    """The address in its shortest form, without brackets."""
    bare = text[1:-1].removeprefix("IPv6:") if text.startswith("[") else text
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        raise ValueError(wanted) from None


def parse_binding(value: object) -> Binding:
    """A binding from "address:port", where port 0 stands for any that is free; raises `ValueError`."""
    wanted = 'an address and a port such as "192.0.2.1:25", "0.0.0.0:25" or "[::]:25" is wanted'
    host, port = _split(value, wanted, least=0)
    if port is None:
        raise ValueError(wanted)
    return Binding(_address(host, wanted), port)


def _parse_listen(value: object) -> Binding | None:
    return None if value == "" else parse_binding(value)


def _parse_resolver(value: object) -> Binding:
    wanted = 'an address such as "192.0.2.53", "192.0.2.53:5353" or "[2001:db8::53]:53" is wanted'
    if isinstance(value, str) and value.count(":") > 1 and not value.startswith("["):
        return Binding(_address(value, wanted), 53)
    host, port = _split(value, wanted)
    return Binding(_address(host, wanted), port or 53)


def parse_smart_host(value: object) -> SmartHost:
    """A smart host from "name", "name:port", "[address]" or "[address]:port"; raises `ValueError`.

    ";order=2" and ";weight=3" may follow, in any turn.
    """
    place, *words = value.split(";") if isinstance(value, str) else (value,)
    numbers = dict(_turn_word(word) for word in words)
    if len(numbers) < len(words):
        raise ValueError("order and weight stand once each")
    return replace(_smart_host_at(place), order=numbers.get("order", 0), weight=numbers.get("weight", 0))


def _turn_word(text: str) -> tuple[str, int]:
    found = _TURN_WORD.fullmatch(text)
    if found is None or not 1 <= int(found[2]) <= MOST_WEIGHT:
        raise ValueError(f'what follows ";" is order=N or weight=N, each from 1 to {MOST_WEIGHT}')
    return found[1], int(found[2])


def _smart_host_at(value: object) -> SmartHost:
    wanted = 'a host such as "relay.example", "relay.example:587" or "[192.0.2.1]:587" is wanted'
    host, port = _split(value, wanted)
    if host.startswith("["):
        return SmartHost(_address(host, wanted), port, literal=True)
    name = domain_key(host)
    if is_name(name):
        return SmartHost(name, port)
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise ValueError(wanted) from None
    raise ValueError(f'an address stands in brackets: "[{host}]{f":{port}" if port else ""}"')


def parse_directory_server(value: object) -> DirectoryServer:
    """A directory's server from its URL; raises `ValueError`."""
    wanted = 'a URL such as "ldap://dc1.example.com" or "ldaps://dc1.example.com:636" is wanted'
    found = _DIRECTORY_URL.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(wanted)
    tls = found["scheme"].lower() == "ldaps"
    host, port = _split(found["place"], wanted)
    if host.startswith("[") or not is_name(host := domain_key(host)):
        host = _address(host, wanted)
    return DirectoryServer(host, port or (636 if tls else 389), tls)


def parse_web_place(value: object) -> str:
    """Where browsers find something, as they tell it in Origin (RFC 6454 section 6.1); "" is nowhere.

    Raises `ValueError`.
    """
    if value == "":
        return ""
    wanted = 'an address such as "https://console.example.com", without a path, is wanted'
    found = _WEB_PLACE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(wanted)
    scheme = found["scheme"].lower()
    host, port = _split(found["place"], wanted)
    if host.startswith("["):
        host = f"[{_address(host, wanted)}]"
    elif not is_name(host := domain_key(host)):
        host = _address(host, wanted)
    return f"{scheme}://{host}" if port in (None, _WEB_PORTS[scheme]) else f"{scheme}://{host}:{port}"


def _parse_smart_hosts(value: object) -> tuple[SmartHost, ...]:
    if value == "":
        return ()
    return tuple(parse_smart_host(item) for item in value) if isinstance(value, list) else (parse_smart_host(value),)


def _smart_hosts_text(value: tuple[SmartHost, ...]) -> str | list[str]:
    return [host.spelled for host in value] if len(value) > 1 else "".join(host.spelled for host in value)


def parse_address_entry(value: object) -> AddressEntry:
    """An entry of an address list; raises `ValueError`."""
    wanted = 'an address, a network such as "192.0.2.0/24" or a domain name, also as "*.example.com", is wanted'
    if not isinstance(value, str):
        raise ValueError(wanted)
    try:
        return ipaddress.ip_network(value.strip("[]"))
    except ValueError:
        pass
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        below = value.startswith("*.")
        name = domain_key(value.removeprefix("*."))
        if not is_name(name):
            raise ValueError(wanted) from None
        return f"*.{name}" if below else name
    raise ValueError(f'the address lies inside the network: "{network}" or "{value.split("/")[0]}" is wanted')


def parse_domain(value: object) -> str:
    """A domain's name in the form in which names are compared; raises `ValueError`."""
    name = domain_key(value) if isinstance(value, str) else ""
    if not is_name(name):
        raise ValueError('the name of a domain, such as "example.com", is wanted')
    return name


def address_entry_text(entry: AddressEntry) -> str:
    """The entry as the file has it; a network of one is an address."""
    if isinstance(entry, str) or entry.num_addresses > 1:
        return str(entry)
    return str(entry.network_address)


BINDING = Spelling("binding", parse_binding, str, '"0.0.0.0:25"')
LISTEN = Spelling("binding", _parse_listen, lambda value: "" if value is None else str(value), '"127.0.0.1:8025"')
RESOLVER = Spelling("resolver", _parse_resolver, str, '"192.0.2.53"')
SMART_HOST = Spelling("smart host", parse_smart_host, str, '"mail.example:366"')
SMART_HOSTS = Spelling("smart host", _parse_smart_hosts, _smart_hosts_text, '"relay.example:587"')
ADDRESS_ENTRY = Spelling("address", parse_address_entry, address_entry_text, '"192.0.2.0/24"')
DOMAIN = Spelling("domain", parse_domain, str, '"example.com"')
DIRECTORY_SERVER = Spelling("directory", parse_directory_server, str, '"ldap://dc1.example.com"')
WEB_PLACE = Spelling("web address", parse_web_place, str, '"https://console.example.com"')

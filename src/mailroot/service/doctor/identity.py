"""Who the service is to others: its name in the domain name system, and its certificates."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator
from datetime import timedelta

from mailroot.edge.dns import DnsResolver
from mailroot.edge.tls.certificates import Named, named_in, own_folders
from mailroot.edge.tls.identity import Identity, read_identity
from mailroot.mail.faults import Fault
from mailroot.routing.answers import Finding as Found
from mailroot.service.doctor.finding import Finding, Patient, fault, ok, warning
from mailroot.settings.virtualserver import VirtualServer

_SOON = timedelta(days=30)


async def names(patient: Patient) -> AsyncIterator[Finding]:
    """The name of each virtual server, there and back. All are looked up at once: no answer may take its time."""
    servers = patient.settings.servers.items()
    for finding in await asyncio.gather(*(_name(patient, key, server) for key, server in servers)):
        yield finding


async def _name(patient: Patient, key: str, server: VirtualServer) -> Finding:
    fqdn = server.delivery.fqdn
    if "." not in fqdn:
        said = f'its name is "{fqdn}", which has no domain; many servers refuse such a greeting'
        return warning(key, said, f"./mailroot set servers.{key}.delivery.fqdn mail.example.com")
    return await _there(key, fqdn, patient.lookups.of(server))


async def _there(key: str, fqdn: str, resolver: DnsResolver) -> Finding:
    found = await resolver.addresses(fqdn)
    addresses = [*found.ipv4, *found.ipv6]
    if found.finding is Found.FAILED:
        return warning(key, f"{fqdn} could not be looked up: {found.detail}", "see the check `dns`")
    if not addresses:
        said = f"{fqdn} has no address; other servers may not believe our greeting"
        return warning(key, said, "make an A record for it, or set delivery.fqdn to a name that has one")
    back = await asyncio.gather(*(_back(resolver, address, fqdn) for address in addresses))
    missing = [address for address, there in zip(addresses, back, strict=True) if not there]
    if missing:
        said = f"{fqdn} is {', '.join(addresses)}, but no PTR record leads back from {', '.join(missing)}"
        return warning(key, said, "have the owner of the address (the provider) set its PTR record to that name")
    return ok(key, f"{fqdn} is {', '.join(addresses)}, and back")


async def _back(resolver: DnsResolver, address: str, fqdn: str) -> bool:
    if ipaddress.ip_address(address).is_loopback:
        return True
    return fqdn.lower() in {name.lower() for name in (await resolver.pointers(address)).names}


async def certificates(patient: Patient) -> AsyncIterator[Finding]:
    """Every certificate that clients are shown."""
    seen = False
    for named in named_in(patient.settings):
        seen = True
        try:
            identity = read_identity(named.certificate, named.key)
        except Fault as why:
            yield fault(named.path, str(why), "mend or replace it; ./mailroot certificate list shows all")
            continue
        yield _certificate(patient, named, identity)
    if not seen:
        yield ok("certificates", "none is shown to clients, or the service makes its own at its first start")


def _certificate(patient: Patient, named: Named, identity: Identity) -> Finding:
    left, until = identity.expires - patient.now, f"{identity.expires:%Y-%m-%d}"
    renew = f"./mailroot certificate request {named.asked or patient.settings.servers[named.server].delivery.fqdn}"
    if left <= timedelta():
        return fault(named.path, f"it expired on {until}; clients that check it stay away", renew)
    if left < _SOON:
        return warning(named.path, f"it expires on {until}", renew)
    wanted = named.asked or patient.settings.servers[named.server].delivery.fqdn
    if not any(_covers(name.lower(), wanted.lower()) for name in identity.names):
        said = f"it stands for {', '.join(identity.names) or 'no name'}, not for {wanted}"
        return warning(named.path, said, f"{renew}, or name the right one")
    own = any(named.certificate.startswith(str(folder)) for folder in own_folders(patient.settings, named.server))
    note = " Mailroot made it or was given it; one that signed itself is believed by nobody who checks." if own else ""
    return ok(named.path, f"it is for {', '.join(identity.names)} until {until}.{note}")


def _covers(name: str, wanted: str) -> bool:
    """RFC 6125 section 6.4.3: an asterisk stands for one label."""
    return name == wanted or (name.startswith("*.") and name[2:] == wanted.partition(".")[2])

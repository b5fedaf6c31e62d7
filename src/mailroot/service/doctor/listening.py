"""Whether the service runs, and whether its ports answer; where it does not run, whether they are free."""

from collections.abc import AsyncIterator

from mailroot.edge.listening import listen, shown
from mailroot.edge.outgoing import connect
from mailroot.mail.faults import Misconfigured, Unavailable
from mailroot.service.doctor.finding import Finding, Patient, fault, ok, warning
from mailroot.settings.places import Binding
from mailroot.settings.virtualserver import Start

_WAIT = 5.0
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - looked up, not bound


async def service(patient: Patient) -> AsyncIterator[Finding]:
    """The service, its workers and virtual servers."""
    status = patient.status
    if status is None:
        yield warning("service", "it does not run; what only a running service shows is left out", "./mailroot serve")
        return
    wanted, running = patient.settings.service.workers, len(status["workers"])
    said = f"version {status['version']}, process {status['pid']}, {running} worker(s)"
    if running < wanted:
        yield fault("service", f"{said} of {wanted}", "read why they end on its standard error and in `worker_died`")
    else:
        yield ok("service", said)
    for row in status["servers"]:
        if row["state"] != "started":
            yield warning(row["key"], f"it is {row['state']}", f"./mailroot server start {row['key']}")


async def ports(patient: Patient) -> AsyncIterator[Finding]:
    """Every binding."""
    for key, server in patient.settings.servers.items():
        started = bool(patient.listeners(key))
        if server.start is Start.DISABLED or (patient.status is not None and not started):
            continue
        for binding in server.general.listening:
            secured = binding in server.general.tls_bindings
            if patient.status is None:
                yield _free(key, binding)
            elif binding.port:  # 0 is any port
                yield await _answers(key, binding, secured)


async def _answers(key: str, binding: Binding, secured: bool) -> Finding:
    address, subject = _EVERYWHERE.get(binding.address, binding.address), f"{key} {binding}"
    mend = "see whether the service is overloaded, or a filter of packets stands before it (nft list ruleset)"
    try:
        connection = await connect(address, binding.port, _WAIT)
    except Unavailable as why:
        return fault(subject, f"{shown(address, binding.port)} does not answer: {why}", mend)
    try:
        if secured:
            return ok(subject, "it takes connections; TLS comes first there")
        (greeting,) = await connection.exchange(b"", 1, _WAIT)
    finally:
        connection.stop("4.4.2", "the doctor has seen enough")
    if greeting.code == 220:
        return ok(subject, f"it greets: {greeting.text.strip()}")
    return fault(subject, f"it does not greet: {greeting.text}", "see access.connection and general.connection_limit")


def _free(key: str, binding: Binding) -> Finding:
    try:
        listen(binding.address, binding.port).close()
    except Misconfigured as why:
        return fault(f"{key} {binding}", str(why), "who has it: ss -ltnp")
    return ok(f"{key} {binding}", "free for the service to take")

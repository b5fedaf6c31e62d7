"""Whether what sound settings name can be used."""

from collections.abc import AsyncIterator

from mailroot.edge.accounts import problems as accountproblems
from mailroot.edge.tls import certificates, outgoing
from mailroot.service.doctor.finding import Finding, Patient, fault, ok


async def check(patient: Patient) -> AsyncIterator[Finding]:
    """What cannot be used, as `check-config` finds it."""
    found = False
    for look in (certificates.problems_in, accountproblems.problems_in, outgoing.problems_in):
        for problem in look(patient.settings):
            found = True
            yield fault(problem.path, problem.wrong, problem.mend or "change what it names")
    if not found:
        yield ok("settings", f"no problems; {len(patient.settings.servers)} virtual server(s)")

"""The folders: whether the service may use them, and whether too many others may."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from mailroot.edge.probes.rights import rights
from mailroot.service.doctor.finding import Finding, Patient, fault, ok, warning
from mailroot.settings.domains import DomainType
from mailroot.settings.service import Settings
from mailroot.settings.virtualserver import VirtualServer


async def check(patient: Patient) -> AsyncIterator[Finding]:
    """Every folder of every virtual server, and that of the event log."""
    for key, server in patient.settings.servers.items():
        for name, folder in folders_of(server):
            yield _folder(patient, f"{key} {name}", folder, shared=name in {"Pickup", "Drop"})
        if server.general.log.folder:
            yield _log_folder(patient, f"{key} protocol log", log_folder_of(patient.settings, key))
    if patient.settings.service.events:
        yield _folder(patient, "events", patient.settings.service.events, shared=False)


def folders_of(server: VirtualServer) -> Iterator[tuple[str, str]]:
    """The folders of a virtual server with their names."""
    yield "home", server.home
    for name in ("Pickup", "Queue", "SortTemp"):
        yield name, f"{server.home}/{name}"
    yield "Badmail", server.messages.badmail
    local = [domain for domain in server.domains.values() if domain.type is DomainType.DEFAULT]
    for folder in sorted({domain.drop or f"{server.home}/Drop" for domain in local}):
        yield "Drop", folder


def log_folder_of(settings: Settings, key: str) -> str:
    """Where the files of a virtual server's protocol log lie; "" where there are none."""
    folder = settings.servers[key].general.log.folder
    return folder and f"{folder}/{settings.instances[key]}"


def _log_folder(patient: Patient, subject: str, folder: str) -> Finding:
    """A folder that is not there yet is made with the first line."""
    if rights(folder, patient.account).exists:
        return _folder(patient, subject, folder, shared=False)
    lacking = _lacking_above(patient, folder)
    if lacking:
        return fault(subject, f"{folder} is missing, and {lacking}", f"let {patient.account.name} make {folder}")
    return ok(subject, f"{folder} is not there yet; it is made with the first line")


def _folder(patient: Patient, subject: str, folder: str, *, shared: bool) -> Finding:
    found, name = rights(folder, patient.account), patient.account.name
    if not found.exists:
        return _missing(patient, subject, folder)
    if found.missing:
        usual = f"chown -R {name} {folder}, and let it enter the folders above"
        return fault(subject, found.missing, f"move {folder} away" if _seen(Path(folder).is_file) else usual)
    if found.open_to_all and shared:
        said = f"{folder}: every account of the machine may write there"
        return warning(subject, f"{said}, and so send as anybody, or add mail", f"chmod o-w {folder}")
    if found.open_to_all:
        return fault(subject, f"{folder}: every account of the machine may change mail there", f"chmod o-w {folder}")
    return ok(subject, folder)


def _missing(patient: Patient, subject: str, folder: str) -> Finding:
    """A folder that is not there yet is made at the start, if that can be."""
    lacking = _lacking_above(patient, folder)
    if patient.status is not None or lacking:
        mend = f"mkdir -p {folder} && chown {patient.account.name} {folder}"
        return fault(subject, f"{folder} is missing{f', and {lacking}' if lacking else ''}", mend)
    return ok(subject, f"{folder} is not there yet; it is made at the start")


def _seen(look: Callable[[], bool]) -> bool:
    """What a look says; False where the doctor's own account may not enter a folder above."""
    try:
        return look()
    except OSError:
        return False


def _lacking_above(patient: Patient, folder: str) -> str:
    """Why a folder that is missing cannot be made, "" where it can."""
    above = next((parent for parent in Path(folder).parents if _seen(parent.exists)), Path("/"))
    return rights(str(above), patient.account).missing

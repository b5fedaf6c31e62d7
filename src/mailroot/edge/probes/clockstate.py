"""What the system knows of its clock (adjtimex(2))."""

import ctypes
from dataclasses import dataclass

_UNSYNCHRONISED = 0x40  # STA_UNSYNC


class _Timex(ctypes.Structure):
    _fields_ = (
        ("modes", ctypes.c_uint),
        *((name, ctypes.c_long) for name in ("offset", "freq", "maxerror", "esterror")),
        ("status", ctypes.c_int),
        *((name, ctypes.c_long) for name in ("constant", "precision", "tolerance", "seconds", "microseconds", "tick")),
        ("rest", ctypes.c_byte * 256),  # nothing of it is read; the structure must not be too small
    )


@dataclass(frozen=True, slots=True)
class ClockState:
    """`synchronised`: something keeps the clock right. `error` is by how much it may be wrong at most, in seconds."""

    synchronised: bool
    error: float


def clock_state() -> ClockState | None:
    """The state of the clock; None where the system does not tell."""
    told = _Timex()  # modes 0: it is only read
    try:
        if ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(told)) < 0:
            return None
    except (OSError, AttributeError):
        return None
    return ClockState(not told.status & _UNSYNCHRONISED, told.maxerror / 1_000_000)

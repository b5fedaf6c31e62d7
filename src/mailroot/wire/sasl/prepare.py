"""SASLprep (RFC 4013): names and passwords as they are compared, whatever keyboard they come from."""

import stringprep
import unicodedata

# RFC 4013 section 2.3; unassigned code points (RFC 3454 table A.1) are refused where something is stored.
_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)

# In characters. RFC 4616 lets names and passwords be longer; nobody's is, and looking at each character costs time.
LONGEST = 1024


def prepared(text: str) -> str | None:
    """The text as it is stored and compared; None for what cannot be a name or a password.

    Unassigned code points are let through, as RFC 4013 section 2.5 has it for queries: what is a letter today may be
    unknown to the tables of 2002 that the standard stands on.
    """
    if len(text) > LONGEST:
        return None
    if text.isascii():
        return text if text.isprintable() else None
    mapped = "".join(_mapped(character) for character in text)
    normal = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    if len(normal) > LONGEST or any(prohibits(character) for character in normal for prohibits in _PROHIBITED):
        return None
    return normal if _direction_is_sound(normal) else None


def _mapped(character: str) -> str:
    """RFC 4013 section 2.1: odd blanks become a blank, and what is commonly mapped to nothing goes."""
    if stringprep.in_table_c12(character):
        return " "
    return "" if stringprep.in_table_b1(character) else character


def _direction_is_sound(text: str) -> bool:
    """RFC 3454 section 6: no letters of the other direction, and right-to-left at both ends."""
    if not any(stringprep.in_table_d1(character) for character in text):
        return True
    if any(stringprep.in_table_d2(character) for character in text):
        return False
    return stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])

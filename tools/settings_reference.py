"""Write docs/settings.md from the declarations; with --check, only tell whether it is current."""

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "src"))

from mailroot.settings.derive import reference  # noqa: E402


def main() -> int:
    """0: written, or current."""
    page = ROOT / "docs" / "settings.md"
    if "--check" in sys.argv:
        return 0 if page.read_text() == reference() else 1
    page.write_text(reference())
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What the wheel has besides the package: man pages, made at that moment, and what systemd needs."""

import subprocess
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel

ROOT = Path(__file__).parent
PAGES = "build/man"


class Wheel(bdist_wheel):
    """A wheel with the man pages of what is in it."""

    def run(self) -> None:
        """Make the pages, then the wheel."""
        subprocess.run([sys.executable, str(ROOT / "tools" / "man_pages.py"), str(ROOT / PAGES)], check=True)  # noqa: S603
        self.distribution.data_files += [
            (
                f"share/man/man{section}",
                sorted(str(path.relative_to(ROOT)) for path in (ROOT / PAGES).glob(f"*.{section}")),
            )
            for section in (1, 5)
        ]
        super().run()


UNITS = "packaging/systemd"
setup(
    cmdclass={"bdist_wheel": Wheel},
    data_files=[
        ("share/mailroot/systemd", [f"{UNITS}/mailroot.service", f"{UNITS}/mailroot.socket"]),
        ("share/mailroot/sysusers.d", [f"{UNITS}/sysusers.d/mailroot.conf"]),
        ("share/mailroot/tmpfiles.d", [f"{UNITS}/tmpfiles.d/mailroot.conf"]),  # noqa: S108
    ],
)

"""Options of signing in that contradict each other, and files by their names."""

import pytest

from mailroot.settings.change import Facts, parse
from mailroot.settings.problem import Problems
from mailroot.settings.service import Settings

FACTS = Facts(folder="/etc/mailroot", host="box.example")


def loaded(text: str) -> Settings | Problems:
    return parse(f"[servers.default.access]\n{text}", FACTS)


def test_files_are_beside_the_settings_file() -> None:
    settings = loaded("ntlm_auth = 'samba/ntlm_auth'")
    assert isinstance(settings, Settings)
    assert settings.servers["default"].access.ntlm_auth == "/etc/mailroot/samba/ntlm_auth"
    assert settings.servers["default"].access.account_file == "/etc/mailroot/mailroot.accounts"
    assert settings.servers["default"].access.keytab == ""


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("anonymous = false", "anonymous"),
        ("basic = true\ntls = 'off'", "basic"),
        ("integrated = true\nntlm = false", "integrated"),
        ("principal = 'smtp/mail.example.com'", "principal"),
    ],
)
def test_what_cannot_be_is_a_problem(text: str, path: str) -> None:
    problems = loaded(text)
    assert isinstance(problems, Problems)
    assert [problem.path for problem in problems.problems] == [f"servers.default.access.{path}"]
    assert problems.problems[0].mend


@pytest.mark.parametrize(
    "text", ["anonymous = false\nbasic = true", "integrated = true", "basic = true\nbasic_requires_tls = false"]
)
def test_what_can_be_is_none(text: str) -> None:
    assert isinstance(loaded(text), Settings)

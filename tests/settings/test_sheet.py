"""Property sheets: every option with its value and what is declared of it."""

from typing import Any

import pytest

from mailroot.settings.change import Facts, parse
from mailroot.settings.declared import declared
from mailroot.settings.service import Settings
from mailroot.settings.sheet import sheet

TEXT = """\
[servers.default]
home = "Mail"
delivery.smart_host = "mail.example"
delivery.security = { authentication = "basic", username = "u", password = "hush" }

[servers.default.domains."Local.Test"]
type = "default"
"""


def rows(key: str) -> dict[str, Any]:
    settings = parse(TEXT, Facts(folder="/srv", host="box.test"))
    assert isinstance(settings, Settings), settings
    return {str(row["path"]): row for row in sheet(settings, TEXT, key)}


def test_an_option_has_its_value_its_default_and_what_counts() -> None:
    found = rows("servers.default")
    home = found["servers.default.home"]
    assert (home["value"], home["effective"], home["default"], home["set"]) == ("Mail", "/srv/Mail", "Mailroot", True)
    fqdn = found["servers.default.delivery.fqdn"]
    assert (fqdn["value"], fqdn["effective"], fqdn["set"]) == ("", "box.test", False)
    size = found["servers.default.messages.size_limit"]
    assert (size["label"], size["tab"], size["metabase"]) == (
        "Limit message size to (KB)",
        "Messages",
        "MaxMessageSize",
    )
    assert size["counts"] == "new sessions"
    assert found["servers.default.access.tls"]["choices"] == ["off", "offer", "require"]


def test_the_whole_file_has_every_option_that_has_no_free_name_in_its_key() -> None:
    everywhere = {key for key in declared() if "*" not in key[2:]}
    assert len([path for path in rows("") if "domains" not in path]) >= len(everywhere)


def test_no_secret_is_shown() -> None:
    assert "hush" not in str(rows(""))
    assert rows("")["servers.default.delivery.security.password"]["value"] == "***"


@pytest.mark.parametrize("key", ['servers.default.domains."local.test"', 'servers.default.domains."LOCAL.TEST"'])
def test_a_domain_has_rows_for_tables_that_are_left_out_too(key: str) -> None:
    found = rows(key)
    assert found['servers.default.domains."local.test".type']["set"] is True
    assert 'servers.default.domains."local.test".security.username' in found


def test_a_key_that_is_none_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"did you mean servers.default.messages"):
        rows("servers.default.mesages")
    with pytest.raises(ValueError, match="nothing is set there"):
        rows("servers.other")

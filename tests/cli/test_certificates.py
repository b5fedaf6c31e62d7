"""`mailroot certificate`: files made, requests signed elsewhere and taken, and what the list says of them."""

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from mailroot.cli.main import main
from mailroot.edge.tls.identity import key_pem, names_of, new_key, read_identity, self_signed


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mailroot.toml").write_text("[servers.default.delivery]\nfqdn = 'mail.example.com'\n")
    return tmp_path


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_certificate_is_private_and_names_its_hosts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["certificate", "new", "mail.example.com", "SMTP.example.com"]) == 0
    path = folder / "Certificates" / "mail.example.com.pem"
    assert read_identity(str(path)).names == ("mail.example.com", "smtp.example.com")
    assert (_mode(path), _mode(path.parent)) == (0o600, 0o700)
    said = capsys.readouterr().out
    assert "./mailroot set servers.default.access.certificate Certificates/mail.example.com.pem" in said
    assert "PRIVATE" not in said


def test_nothing_is_overwritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["certificate", "new", "mail.example.com"])
    assert main(["certificate", "new", "mail.example.com"]) == 2
    assert "is there already" in capsys.readouterr().err
    main(["certificate", "request", "mail.example.com"])
    assert main(["certificate", "request", "mail.example.com"]) == 2


@pytest.mark.parametrize("host", ["-", "a b", "../x", "mail..example.com", "*"])
def test_what_is_no_host_is_refused(folder: Path, host: str) -> None:
    assert main(["certificate", "new", "--", host]) == 2
    assert not (folder / "Certificates").exists()


def _issued(request: bytes) -> bytes:
    """What a certification authority makes of a request."""
    asked, key, now = x509.load_pem_x509_csr(request), new_key(), datetime.now(UTC)
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "An Authority")])
    builder = x509.CertificateBuilder(
        issuer, asked.subject, asked.public_key(), x509.random_serial_number(), now, now + timedelta(days=20)
    )
    for extension in asked.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def test_a_request_is_signed_elsewhere_and_taken(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["certificate", "request", "mail.example.com", "*.example.org"]) == 0
    request, key = (folder / "Certificates" / f"mail.example.com.{kind}" for kind in ("csr", "key"))
    assert _mode(key) == 0o600
    (folder / "issued.pem").write_bytes(_issued(request.read_bytes()))
    assert main(["certificate", "import", "mail.example.com", "issued.pem", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert facts["hosts"] == ["mail.example.com", "*.example.org"]
    assert read_identity(facts["file"]).issuer == "CN=An Authority"
    (folder / "issued.pem").write_bytes(_issued(request.read_bytes()))
    assert main(["certificate", "import", "mail.example.com", "issued.pem"]) == 0  # renewed


def test_a_certificate_of_another_key_is_not_taken(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["certificate", "request", "mail.example.com"])
    (folder / "issued.pem").write_bytes(self_signed(new_key(), ("mail.example.com",), datetime.now(UTC)))
    assert main(["certificate", "import", "mail.example.com", "issued.pem"]) == 2
    assert "the key does not belong to the certificate" in capsys.readouterr().err
    assert not (folder / "Certificates" / "mail.example.com.pem").exists()


def test_a_certificate_comes_with_a_key_from_elsewhere(folder: Path) -> None:
    key = new_key()
    (folder / "x.key").touch(0o600)
    (folder / "x.key").write_bytes(key_pem(key))
    (folder / "x.crt").write_bytes(self_signed(key, ("mail.example.com",), datetime.now(UTC)))
    assert main(["certificate", "import", "mail.example.com", "x.crt", "--key", "x.key"]) == 0


def _list(capsys: pytest.CaptureFixture[str]) -> tuple[int, list[dict[str, object]]]:
    capsys.readouterr()
    code = main(["certificate", "list", "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_the_list_says_what_expires_and_what_cannot_be_used(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _list(capsys) == (0, [])
    main(["certificate", "new", "mail.example.com"])
    names = '[servers.default.access.names."old.example.com"]\ncertificate = "old.pem"\n'
    settings = f'[servers.default.access]\ncertificate = "Certificates/mail.example.com.pem"\n{names}'
    (folder / "mailroot.toml").write_text(settings)
    code, rows = _list(capsys)
    assert (code, rows[0]["state"], rows[0]["hosts"]) == (1, "good", ["mail.example.com"])
    assert "No such file" in str(rows[1]["state"])
    key = new_key()
    (folder / "old.pem").touch(0o600)
    long_ago = datetime.now(UTC) - timedelta(days=4000)
    (folder / "old.pem").write_bytes(key_pem(key) + self_signed(key, ("old.example.com",), long_ago))
    code, rows = _list(capsys)
    assert (code, rows[1]["state"]) == (1, "expired")


def test_check_config_names_what_cannot_be_used(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "mailroot.toml").write_text('[servers.default.access]\ncertificate = "none.pem"\n')
    assert main(["check-config", "mailroot.toml"]) == 2
    assert "servers.default.access.certificate" in capsys.readouterr().err


def test_a_key_that_everybody_can_read_is_refused(folder: Path) -> None:
    main(["certificate", "new", "mail.example.com"])
    path = folder / "Certificates" / "mail.example.com.pem"
    path.chmod(0o644)
    (folder / "mailroot.toml").write_text(f'[servers.default.access]\ncertificate = "{path}"\n')
    assert main(["check-config", "mailroot.toml"]) == 2


def test_names_of_an_old_certificate_are_its_common_name() -> None:
    key, now = new_key(), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "old.example.com")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now)
    assert names_of(builder.sign(key, hashes.SHA256())) == ("old.example.com",)

"""Domains changed while the service runs, and what each of their options does on the wire."""

from pathlib import Path

from tests.live.outside import outside, relaying
from tests.live.rawclient import RawClient
from tests.live.running import SETTINGS, Service, running, until
from tests.peers.smtp import Peer

NOBODY_RELAYS = SETTINGS.replace('list = ["127.0.0.1"]', "list = []")
SMALL = '\n[servers.default.messages]\nsize_limit = "1KB"\n'
MESSAGE = b"Subject: x\r\n\r\n" + b"x" * 800 + b"\r\n.\r\n"


def rcpt(service: Service, recipient: str) -> bytes:
    with RawClient(service.port) as client:
        client.greeted()
        client.say(b"MAIL FROM:<a@elsewhere.test>\r\n")
        return client.say(f"RCPT TO:<{recipient}>\r\n".encode())


def domain(service: Service, *words: str) -> dict:
    return service.ask("domain", *words)


def test_a_domain_counts_as_soon_as_it_is_added_and_no_longer_than_it_is_there(tmp_path: Path) -> None:
    with running(tmp_path, settings=NOBODY_RELAYS, workers=2) as service:
        assert rcpt(service, "a@shop.test").startswith(b"550 5.7.1")
        said = domain(service, "add", "shop.test", "type=custom", f"drop={tmp_path}/Shop")
        assert said["running"] and 'servers.default.domains."shop.test".type' in said["applied"]
        service.send("ann@shop.test")
        (path,) = until(lambda: list((tmp_path / "Shop").glob("*.eml")), "the message in the domain's own folder")
        assert b"x-receiver: ann@shop.test" in path.read_bytes()
        assert service.dropped() == []
        domain(service, "remove", "shop.test")
        assert rcpt(service, "a@shop.test").startswith(b"550 5.7.1")


def test_an_alias_is_stamped_and_takes_the_default_domains_place(tmp_path: Path) -> None:
    with running(tmp_path, settings=NOBODY_RELAYS) as service:
        domain(service, "add", "also.test", "type=alias")
        service.send("ann@also.test")
        (path,) = until(service.dropped, "the first message")
        assert b"x-receiver: ann@local.test" in path.read_bytes()
        path.unlink()
        domain(service, "default", "also.test")
        assert rcpt(service, "ann") == b"250 2.1.5 ann@also.test \r\n"
        service.send("bob@local.test")
        (path,) = until(service.dropped, "the second message in the same folder")
        assert b"x-receiver: bob@also.test" in path.read_bytes()


def test_what_waits_when_the_default_domain_is_renamed_goes_into_its_drop_folder(tmp_path: Path) -> None:
    settings = NOBODY_RELAYS + "drop_quota = true\n" + SMALL
    with running(tmp_path, settings=settings) as service, RawClient(service.port) as client:
        service.send()
        (first,) = until(service.dropped, "the message by which the folder is known")
        # Taken while there is room; then the folder is full before it gets there.
        client.greeted().envelope()
        first.write_bytes(b"x" * 20_000)
        until(lambda: rcpt(service, "ann@local.test").startswith(b"452 4.2.2"), "the quota")
        assert client.say(MESSAGE).startswith(b"250")
        until(
            lambda: (
                "4.2.2" in service.run("queue", "list").stdout or "Mailbox Full" in service.run("queue", "list").stdout
            ),
            "the wait",
        )
        domain(service, "rename", "local.test", "new.test")
        assert rcpt(service, "ann@local.test").startswith(b"550 5.7.1")
        assert rcpt(service, "ann") == b"452 4.2.2 Mailbox Full\r\n"
        first.unlink()
        until(lambda: service.run("queue", "retry", "--all").returncode == 0 and service.dropped(), "the message")
        assert b"x-receiver: ann@local.test" in service.dropped()[0].read_bytes()
        until(lambda: rcpt(service, "ann") == b"250 2.1.5 ann@new.test \r\n", "room for new mail under the new name")


def test_mail_that_waits_for_a_remote_domain_follows_its_new_options(tmp_path: Path) -> None:
    with outside() as world:
        peer = world.enter(Peer())
        route = '\n[servers.default.domains."far.test"]\nroute = "[127.0.0.1]:1"\n'
        with relaying(tmp_path, more=route) as service:
            service.send("a@far.test")
            until(lambda: "cannot be reached" in service.run("queue", "list").stdout, "the first attempt")
            domain(service, "set", "far.test", f"route=[127.0.0.1]:{peer.port}", "use_helo=true", "security.tls=off")
            service.run("queue", "retry", "--all")
            until(lambda: peer.messages, "the message on its new way")
            assert peer.commands[0] == "HELO mail.local.test"


def test_F15_the_longest_wildcard_says_who_may_relay(tmp_path: Path) -> None:
    more = (
        '\n[servers.default.domains."*.open.test"]\nrelay = true\n'
        '[servers.default.domains."*.closed.open.test"]\n[servers.default.domains."x.closed.open.test"]\nrelay = true\n'
    )
    with running(tmp_path, more, settings=NOBODY_RELAYS) as service:
        assert rcpt(service, "a@open.test").startswith(b"550 5.7.1")
        assert rcpt(service, "a@b.c.open.test").startswith(b"250")
        assert rcpt(service, "a@closed.open.test").startswith(b"250")
        assert rcpt(service, "a@b.closed.open.test").startswith(b"550 5.7.1")
        assert rcpt(service, "a@X.closed.open.test").startswith(b"250")


def test_a_domains_security_counts_instead_of_the_servers(tmp_path: Path) -> None:
    with outside() as world:
        peer = world.enter(Peer())
        more = "".join(
            f'\n[servers.default.domains."{name}.test"]\nroute = "[127.0.0.1]:{peer.port}"\n{security}'
            for name, security in (("plain", ""), ("sealed", 'security = {{ tls = "require" }}\n'))
        )
        with relaying(tmp_path, more=more) as service:
            service.send("a@sealed.test")
            until(
                lambda: "does not offer TLS" in service.run("queue", "list").stdout, "the refusal to go in clear text"
            )
            service.send("a@plain.test")
            until(lambda: peer.messages, "the other domain's message")
            assert "a@sealed.test" not in " ".join(peer.commands)

"""What a settings file becomes, and every way in which it can be wrong."""

import pytest

from mailroot.settings.change import Change, Facts, difference, parse
from mailroot.settings.domains import DomainType, SmartHost
from mailroot.settings.option import Applies
from mailroot.settings.problem import Problem, Problems
from mailroot.settings.quickstart import quick_start
from mailroot.settings.service import Settings

FACTS = Facts(folder="/etc/mailroot", host="box.example", cores=4, environment={"SECRET": "s3cret"})


def sound(text: str, facts: Facts = FACTS) -> Settings:
    loaded = parse(text, facts)
    assert isinstance(loaded, Settings), str(loaded)
    return loaded


def problems(text: str, **known: bool) -> tuple[Problem, ...]:
    loaded = parse(text, FACTS, **known)
    assert isinstance(loaded, Problems), "no problem was found"
    return loaded.problems


def only(text: str, **known: bool) -> Problem:
    found = problems(text, **known)
    assert len(found) == 1, "\n".join(str(problem) for problem in found)
    return found[0]


def test_an_empty_file_is_one_server_with_the_defaults_of_iis() -> None:
    settings = sound("")
    server = settings.servers["default"]
    assert server.messages.size_limit == 2048 * 1024
    assert server.messages.session_limit == 10240 * 1024
    assert [str(binding) for binding in server.general.bindings] == ["0.0.0.0:25"]
    assert server.delivery.hop_count == 15


def test_folders_are_absolute_and_under_the_home() -> None:
    server = sound('[servers.a]\nhome = "x/../y"').servers["a"]
    assert server.home == "/etc/mailroot/y"
    assert server.messages.badmail == "/etc/mailroot/y/Badmail"
    assert server.domains["box.example"].drop == "/etc/mailroot/y/Drop"
    assert server.general.log.directory == "/etc/mailroot/Logs"


def test_the_event_log_has_its_folder_or_none() -> None:
    assert sound("").service.events == "/etc/mailroot/Logs"
    assert sound('[service]\nevents = ""').service.events == ""


def test_no_workers_means_one_per_core() -> None:
    assert sound("[service]\nworkers = 0").service.workers == 4


def test_without_a_default_domain_the_machines_name_is_it() -> None:
    server = sound('[servers.default.domains."also.example"]\ntype = "alias"').servers["default"]
    assert server.domains["box.example"].type is DomainType.DEFAULT
    assert server.domains["also.example"].drop == server.domains["box.example"].drop
    assert server.delivery.fqdn == "box.example"


def test_domains_are_keyed_as_they_are_compared() -> None:
    server = sound('[servers.default.domains."Bücher.Example"]\nroute = "[192.0.2.1]:26"').servers["default"]
    assert server.domains["xn--bcher-kva.example"].route == (SmartHost("192.0.2.1", 26, True),)


def test_all_problems_come_at_once_with_line_key_and_mend() -> None:
    found = problems(
        '[service]\nworker = 2\n[servers.default.messages]\nsize_limit = "2 MB"\n'
        '[servers.default.access]\nbasic = "yes"\n'
    )
    assert [(problem.line, problem.path) for problem in found] == [
        (2, "service.worker"),
        (4, "servers.default.messages.size_limit"),
        (6, "servers.default.access.basic"),
    ]
    assert all(problem.mend or "is wanted" in problem.wrong for problem in found)
    assert found[1].value == '"2 MB"'


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("[servers.default.mesages]", "servers.default.messages"),
        ("[servers.default.messages]\nsize_limt = 0", "servers.default.messages.size_limit"),
        ("[serivce]", "service"),
        ('[servers.default.domains."a.example"]\nrealy = true', 'servers.default.domains."a.example".relay'),
        ("revision = 3", ""),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_name(text: str, meant: str) -> None:
    problem = only(text)
    assert problem.wrong == "unknown key"
    assert meant in problem.mend


def test_a_table_where_a_value_belongs_and_the_other_way_round() -> None:
    assert only("[servers.default.messages.size_limit]\na = 1").path == "servers.default.messages.size_limit"
    assert "table" in only("[servers.default]\nmessages = 3").wrong
    assert "table" in only("servers = 3").wrong


def test_text_that_is_no_toml_names_its_line() -> None:
    problem = only("[service]\nworkers = \n")
    assert problem.line == 2
    assert "not TOML" in problem.wrong


def test_a_session_limit_below_the_message_limit_is_a_problem() -> None:
    problem = only('[servers.default.messages]\nsession_limit = "1024KB"')
    assert problem.path == "servers.default.messages.session_limit"
    assert "2048KB" in problem.mend


def test_no_limits_do_not_contradict_each_other() -> None:
    sound("[servers.default.messages]\nsession_limit = 0")
    sound("[servers.default.messages]\nsize_limit = 0")


def two_servers(one: str, other: str) -> str:
    first = f'[servers.one]\nhome = "1"\ngeneral.bindings = ["{one}"]\n'
    return first + f'[servers.two]\nhome = "2"\ngeneral.bindings = ["{other}"]'


@pytest.mark.parametrize(("one", "other"), [("127.0.0.1:26", "127.0.0.1:26"), ("0.0.0.0:26", "127.0.0.1:26")])
def test_two_servers_cannot_have_one_binding(one: str, other: str) -> None:
    problem = only(two_servers(one, other))
    assert problem.path == "servers.two.general.bindings"
    assert "server one" in problem.wrong


@pytest.mark.parametrize(("one", "other"), [("127.0.0.1:26", "127.0.0.1:27"), ("0.0.0.0:26", "[::]:26")])
def test_servers_with_other_ports_or_families_stand_side_by_side(one: str, other: str) -> None:
    sound(two_servers(one, other))


@pytest.mark.parametrize(
    ("text", "path", "wrong"),
    [
        ('admin.listen = "127.0.0.1:26"\n{server}', "admin.listen", "the server one listens"),
        ('service.metrics = "127.0.0.1:26"\n{server}', "service.metrics", "the server one listens"),
        ('service.metrics = "127.0.0.1:8025"\n{server}', "admin.listen", "service.metrics listens there already"),
    ],
)
def test_nothing_else_listens_where_a_server_or_the_console_does(text: str, path: str, wrong: str) -> None:
    problem = only(text.format(server='[servers.one]\ngeneral.bindings = ["0.0.0.0:26"]'))
    assert (problem.path, wrong in problem.wrong) == (path, True)
    assert "another address or port" in problem.mend


def test_two_servers_cannot_share_a_home() -> None:
    text = '[servers.one]\ngeneral.bindings = ["127.0.0.1:26"]\n[servers.two]\nhome = "Mailroot/two"'
    assert only(text + '\ngeneral.bindings = ["127.0.0.1:27"]').path == "servers.two.home"


@pytest.mark.parametrize(
    "folder", ["Mailroot/Pickup", "Mailroot/Pickup/in", "Mailroot/Queue", "/etc/mailroot/Mailroot/Pickup"]
)
def test_P04_drop_is_never_pickup_or_queue(folder: str) -> None:
    problem = only(f'[servers.default.domains."a.example"]\ntype = "default"\ndrop = "{folder}"')
    assert problem.path == 'servers.default.domains."a.example".drop'


def test_P04_badmail_is_never_pickup_or_drop() -> None:
    assert only('[servers.default.messages]\nbadmail = "Mailroot/Pickup"').path == "servers.default.messages.badmail"
    assert only('[servers.default.messages]\nbadmail = "Mailroot/Drop"').path == "servers.default.messages.badmail"


@pytest.mark.parametrize("key", ['".."', '"a/b"', "CON", '"."', '""', "x" * 300, '"a b"', "-x"])
def test_P02_a_server_key_is_a_name_that_every_file_system_takes(key: str) -> None:
    assert "short name" in only(f"[servers.{key}]").wrong


@pytest.mark.parametrize("name", ["..", "a/b", ".", "x" * 300, "a..b", "a b", "exa*mple.com", "*.*.example", "*", ""])
def test_P02_a_domain_is_a_domain_and_no_path(name: str) -> None:
    assert "not the name of a domain" in only(f'[servers.default.domains."{name}"]').wrong


def test_wildcards_are_for_remote_domains() -> None:
    sound('[servers.default.domains."*.partner.example"]')
    assert only('[servers.default.domains."*.partner.example"]\ntype = "alias"').path.endswith(".type")


def test_there_is_one_default_domain() -> None:
    text = "\n".join(f'[servers.default.domains."{name}.example"]\ntype = "default"' for name in "ab")
    assert "is the default domain already" in only(text).wrong


def test_two_spellings_of_one_domain_are_a_problem() -> None:
    text = '[servers.default.domains."a.example"]\n[servers.default.domains."A.Example"]'
    assert "same domain" in only(text).wrong


@pytest.mark.parametrize("line", ["relay = true", 'route = "relay.example"', "use_helo = true"])
def test_options_of_remote_domains_do_not_count_for_an_alias(line: str) -> None:
    assert "local domain" in only(f'[servers.default.domains."a.example"]\ntype = "alias"\n{line}').wrong


def test_an_alias_has_no_drop_folder_of_its_own() -> None:
    problem = only('[servers.default.domains."a.example"]\ntype = "alias"\ndrop = "x"')
    assert "shares the Drop folder" in problem.wrong
    assert "custom" in problem.mend


def test_a_custom_domain_has_a_drop_folder_of_its_own() -> None:
    text = '[servers.default.domains."a.example"]\ntype = "custom"'
    assert only(text).path == 'servers.default.domains."a.example".drop'
    server = sound(f'{text}\ndrop = "x"').servers["default"]
    assert server.domains["a.example"].drop == "/etc/mailroot/x"
    assert server.domains["box.example"].drop == "/etc/mailroot/Mailroot/Drop"


@pytest.mark.parametrize("folder", ["Mailroot/Pickup", "Mailroot/Queue/x", "Mailroot/Badmail"])
def test_P04_the_drop_folder_of_a_custom_domain_is_none_that_is_read(folder: str) -> None:
    assert problems(f'[servers.default.domains."a.example"]\ntype = "custom"\ndrop = "{folder}"')


def test_a_remote_domain_has_no_drop() -> None:
    assert "no Drop folder" in only('[servers.default.domains."a.example"]\ndrop = "x"').wrong


@pytest.mark.parametrize("host", ["[127.0.0.1]:2525", "localhost:2525", "[192.0.2.9]:2525", "box.example:2525"])
def test_F24_a_smart_host_that_is_an_own_binding_is_a_problem(host: str) -> None:
    text = f'[servers.default]\ngeneral.bindings = ["0.0.0.0:2525"]\ndelivery.smart_host = "{host}"'
    facts = Facts(folder="/", host="box.example", addresses=frozenset({"192.0.2.9"}))
    loaded = parse(text, facts)
    assert isinstance(loaded, Problems)
    assert loaded.problems[0].path == "servers.default.delivery.smart_host"


def test_F24_the_smart_hosts_own_port_is_the_servers() -> None:
    text = '[servers.default]\ngeneral.bindings = ["127.0.0.1:2525"]\ndelivery.smart_host = "[127.0.0.1]"'
    sound(text)
    assert "circle" in only(text + "\ndelivery.port = 2525").wrong


def test_F24_the_route_of_a_domain_to_another_own_server_is_a_problem() -> None:
    text = '[servers.default]\ngeneral.bindings = ["127.0.0.1:2525"]\n[servers.default.domains."a.example"]'
    assert only(text + '\nroute = "[127.0.0.1]:2525"').path == 'servers.default.domains."a.example".route'


def test_a_check_that_rests_on_a_faulty_value_is_left_out() -> None:
    found = problems('[servers.default.messages]\nsize_limit = "x"\nsession_limit = "1KB"')
    assert [problem.path for problem in found] == ["servers.default.messages.size_limit"]


SECRET = '[servers.default.delivery.security]\npassword = "{}"'


def test_a_password_comes_from_the_environment_and_is_not_in_the_repr() -> None:
    settings = sound(SECRET.format("$SECRET"))
    assert settings.servers["default"].delivery.security.password == "s3cret"
    assert "s3cret" not in repr(settings)


def test_a_variable_that_is_not_set_is_a_problem() -> None:
    assert "NOWHERE is not set" in only(SECRET.format("$NOWHERE")).wrong


def test_a_password_comes_from_a_file_of_its_own() -> None:
    facts = Facts(folder="/etc/mailroot", read=lambda path: f"from {path}")
    settings = sound('[servers.default.delivery.security]\npassword_file = "pass"', facts)
    assert settings.servers["default"].delivery.security.password == "from /etc/mailroot/pass"


def test_a_password_in_a_file_that_others_can_read_is_refused() -> None:
    problem = only(SECRET.format("plain"), private=False)
    assert "chmod 600" in problem.mend
    assert "plain" not in str(problem)
    sound(SECRET.format("plain"))
    assert isinstance(parse(SECRET.format("$SECRET"), FACTS, private=False), Settings)


def test_a_password_of_the_wrong_type_is_not_shown() -> None:
    assert "12345" not in str(only("[servers.default.delivery.security]\npassword = 12345"))


def test_a_change_says_what_it_needs() -> None:
    old, new = sound(""), sound('[service]\nworkers = 2\n[servers.default]\nmessages.size_limit = "1024KB"')
    assert difference(old, new) == (
        Change("service.workers", "4", "2", Applies.SERVICE),
        Change("servers.default.messages.size_limit", '"2048KB"', '"1024KB"', Applies.NEW_SESSIONS),
    )
    assert [change.needs_restart for change in difference(old, new)] == [True, False]


def test_equal_settings_have_no_difference() -> None:
    assert difference(sound(""), sound("")) == ()


def test_a_changed_password_is_not_shown() -> None:
    changes = difference(sound(SECRET.format("one")), sound(SECRET.format("two")))
    assert [(change.old, change.new) for change in changes] == [('"***"', '"***"')]


def test_new_servers_need_a_restart_and_new_domains_do_not() -> None:
    old = sound("[servers.default]")
    new = sound('[servers.default.domains."a.example"]\n[servers.two]\nhome = "2"\ngeneral.bindings = []')
    changes = difference(old, new)
    assert [change.path for change in changes if change.needs_restart] == ["servers.two"]
    assert any(change.path == 'servers.default.domains."a.example".type' for change in changes)


def test_the_quick_start_listens_and_relays_on_this_machine_only() -> None:
    server = quick_start("/srv").servers["default"]
    assert [str(binding) for binding in server.general.bindings] == ["127.0.0.1:2525"]
    assert [str(entry) for entry in server.access.relay.list] == ["127.0.0.1/32"]
    assert server.home == "/srv/Mailroot"

"""What ships for Prometheus and Grafana: sound, and about metrics that exist."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mailroot.mail.counters.families import FAMILIES, STAGE_METRIC
from mailroot.mail.counters.table import COUNTER_ROWS

PACKAGING = Path(__file__).parents[2] / "packaging"
RULES = PACKAGING / "prometheus" / "mailroot.rules.yml"
DASHBOARD = PACKAGING / "grafana" / "mailroot.json"
KNOWN = {
    *(row.metric for row in COUNTER_ROWS if row.metric),
    *(family.metric for family in FAMILIES),
    *(f"{STAGE_METRIC}_{part}" for part in ("bucket", "sum", "count")),
    "mailroot_info",
    "mailroot_destination_depth",
    "mailroot_destination_age_seconds",
}
LABELS = {family.metric: (family.label, set(family.values)) for family in FAMILIES}

Program = Callable[[str], str]


def checked(*command: str, **options: Any) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr


def expressions() -> list[str]:
    """Every query of the dashboard."""
    made = json.loads(DASHBOARD.read_text())
    panels = [target["expr"] for panel in made["panels"] for target in panel.get("targets", ())]
    return panels + [note["expr"] for note in made["annotations"]["list"]]


def test_promtool_finds_nothing_wrong_with_the_rules(program: Program) -> None:
    checked(program("promtool"), "check", "rules", "--lint=all", "--lint-fatal", str(RULES))


def test_the_alerts_fire_when_they_should(program: Program) -> None:
    checked(program("promtool"), "test", "rules", "mailroot.rules.test.yml", cwd=RULES.parent)


def test_promtool_understands_every_query_of_the_dashboard(program: Program, tmp_path: Path) -> None:
    queries = [one.replace("$__rate_interval", "5m").replace("$instance", ".*") for one in expressions()]
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "queries.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    checked(program("promtool"), "check", "rules", str(file))


@pytest.mark.parametrize("text", [RULES.read_text(), *expressions()])
def test_every_metric_that_is_named_exists(text: str) -> None:
    assert set(re.findall(r"\bmailroot_[a-z_]+\b", text)) - KNOWN == set()


@pytest.mark.parametrize("text", [RULES.read_text(), *expressions()])
def test_every_value_of_a_label_that_is_named_exists(text: str) -> None:
    for metric, inside in re.findall(r"\b(mailroot_[a-z_]+)\{([^}]*)\}", text):
        label, values = LABELS.get(metric, ("", set()))
        for wanted in re.findall(rf'\b{label}=~?"([^"]*)"', inside) if label else ():
            assert set(wanted.split("|")) <= values, metric


def test_the_badmail_alert_names_every_count_of_badmail() -> None:
    counted = {row.metric for row in COUNTER_ROWS if row.metric.startswith("mailroot_badmail_")}
    assert counted == set(re.findall(r"\bmailroot_badmail_[a-z_]+\b", RULES.read_text()))


def test_every_panel_says_what_it_shows_and_has_its_place() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["type"] == "row" or panel["description"].endswith(".") for panel in panels)
    taken = [cell for panel in panels for cell in _cells(panel["gridPos"])]
    assert len(set(taken)) == len(taken)


def _cells(place: dict[str, int]) -> Iterator[tuple[int, int]]:
    assert place["x"] + place["w"] <= 24
    for x in range(place["x"], place["x"] + place["w"]):
        for y in range(place["y"], place["y"] + place["h"]):
            yield x, y

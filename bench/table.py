"""How figures are shown: a table a workload, with the ratio of the first server to the second."""

from collections.abc import Iterator
from statistics import median

from bench.workloads import Figures


def rows(figures: list[Figures]) -> Iterator[str]:
    """Yield the lines of one workload's table: median, least and most of each figure, then the ratios."""
    names = list(figures[0].rounds)
    yield "  {:9}".format("") + "".join(f"{name + ' (min-max)':>32}" for name in names)
    for shown in figures:
        yield f"  {shown.server:9}" + "".join(f"{_spread(shown.rounds[name]):>32}" for name in names)
    if len(figures) > 1:
        yield "  {:9}".format("ratio") + "".join(f"{_ratio(figures, name):>32}" for name in names)


def _spread(values: list[float]) -> str:
    middle = number(median(values))
    return middle if len(values) == 1 else f"{middle} ({number(min(values))}-{number(max(values))})"


def _ratio(figures: list[Figures], name: str) -> str:
    ours, theirs = (median(shown.rounds[name]) for shown in figures[:2])
    return f"{ours / theirs:.2f} x" if theirs else "-"


def number(value: float) -> str:
    """Return a figure with three digits, or all before the point."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"

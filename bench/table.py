"""How figures are shown: a table a workload, with the ratio of the first server to the second."""

from collections.abc import Iterator
from statistics import median

from bench.workloads import Figures


def rows(figures: list[Figures]) -> Iterator[str]:
    """Yield the lines of one workload's table: median, least and most of each figure, then the ratios."""
    names = list(dict.fromkeys(name for shown in figures for name in shown.rounds))
    wide = max(9, *(len(shown.server) for shown in figures))
    yield f"  {'':{wide}}" + "".join(f"{name + ' (min-max)':>32}" for name in names)
    for shown in figures:
        yield f"  {shown.server:{wide}}" + "".join(f"{_spread(shown.rounds.get(name)):>32}" for name in names)
    if len(figures) > 1:
        yield f"  {'ratio':{wide}}" + "".join(f"{_ratio(figures, name):>32}" for name in names)


def _spread(values: list[float] | None) -> str:
    if not values:
        return "-"
    middle = number(median(values))
    return middle if len(values) == 1 else f"{middle} ({number(min(values))}-{number(max(values))})"


def _ratio(figures: list[Figures], name: str) -> str:
    if not all(name in shown.rounds for shown in figures[:2]):
        return "-"
    ours, theirs = (median(shown.rounds[name]) for shown in figures[:2])
    return f"{ours / theirs:.2f} x" if theirs else "-"


def number(value: float) -> str:
    """Return a figure with three digits, or all before the point."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"

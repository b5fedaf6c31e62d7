"""Wizards: questions step by step, each step checked, and nothing made before the last one. Pure but for the page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fastapi.responses import Response

from mailroot.admin.console.visit import Visit


@dataclass(frozen=True, slots=True)
class Question:
    """One question. `choices` are value, word and sentence of each; `check` says what is wrong with an answer.

    `otherwise` is what an empty answer means; where it is "", nothing is said of one.
    """

    name: str
    label: str
    hint: str
    value: str = ""
    choices: tuple[tuple[str, str, str], ...] = ()
    flag: bool = False
    check: Callable[[str], str] = lambda _: ""
    wrong: str = ""
    otherwise: str = ""

    @property
    def id(self) -> str:
        """Its name in the page."""
        return f"q-{self.name}"

    def shown(self, answer: str) -> str:
        """An answer in words."""
        if self.flag:
            return "yes" if answer else "no"
        return next((word for value, word, _ in self.choices if value == answer), answer or self.otherwise)


@dataclass(frozen=True, slots=True)
class Step:
    """Questions that are asked together."""

    title: str
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Wizard:
    """`steps` are made from the answers so far, since a later question may rest on an earlier one."""

    title: str
    link: str
    back: str
    finish: str
    steps: Callable[[Mapping[str, str]], Sequence[Step]]
    crumbs: tuple[tuple[str, str], ...] = ()


_Rows = Sequence[Mapping[str, Any]]


def _answered(steps: Sequence[Step], form: Mapping[str, str]) -> tuple[Step, ...]:
    """The steps with their answers in place of what is proposed, and what is wrong with each."""
    made = []
    for step in steps:
        questions = []
        for question in step.questions:
            given = form.get(question.name, "" if question.flag and form else question.value).strip()
            questions.append(replace(question, value=given, wrong=question.check(given)))
        made.append(replace(step, questions=tuple(questions)))
    return tuple(made)


async def begin(visit: Visit, wizard: Wizard) -> Response:
    """The first step."""
    steps = _answered(wizard.steps({}), {})
    clean = [replace(step, questions=tuple(replace(one, wrong="") for one in step.questions)) for step in steps]
    return await _page(visit, wizard, clean, 0, {})


async def proceed(visit: Visit, wizard: Wizard, form: Mapping[str, str]) -> Response | dict[str, str]:
    """The next page, or once all was answered and looked at, the answers."""
    at = int(form["at"]) if form.get("at", "").isdigit() else 0
    steps = _answered(wizard.steps(form), form)
    at = min(at, len(steps))
    if form.get("go") == "back":
        return await _page(visit, wizard, steps, max(at - 1, 0), form)
    faulty = next((place for place, step in enumerate(steps[: at + 1]) if any(q.wrong for q in step.questions)), None)
    if faulty is not None:
        return await _page(visit, wizard, steps, faulty, form)
    if at < len(steps):
        return await _page(visit, wizard, steps, at + 1, form)
    return {question.name: question.value for step in steps for question in step.questions}


async def refused(visit: Visit, wizard: Wizard, form: Mapping[str, str], problems: _Rows) -> Response:
    """The service would not: the step that has the faulty answer, or the last one, with what is wrong."""
    steps = list(_answered(wizard.steps(form), form))
    at = len(steps) - 1
    left = []
    for problem in problems:
        place = _place(steps, str(problem["path"]))
        if place is None:
            left.append(problem)
            continue
        at = min(at, place[0])
        questions = list(steps[place[0]].questions)
        questions[place[1]] = replace(questions[place[1]], wrong=_sentence(problem))
        steps[place[0]] = replace(steps[place[0]], questions=tuple(questions))
    return await _page(visit, wizard, steps, at, form, left)


def _sentence(problem: Mapping[str, Any]) -> str:
    return f"{problem['wrong']}; {problem['mend']}" if problem.get("mend") else str(problem["wrong"])


def _place(steps: Sequence[Step], path: str) -> tuple[int, int] | None:
    """Where the question stands that a problem's path is about."""
    last = path.replace('"', "").rpartition(".")[2]
    for number, step in enumerate(steps):
        for place, question in enumerate(step.questions):
            if question.name in {path, last}:
                return number, place
    return None


async def _page(
    visit: Visit, wizard: Wizard, steps: Sequence[Step], at: int, form: Mapping[str, str], problems: _Rows = ()
) -> Response:
    asked = steps[at].questions if at < len(steps) else ()
    others = [one for place, step in enumerate(steps) if place != at for one in step.questions]
    kept = {one.name: one.value for one in others if not one.flag or one.value} if form else {}
    faults = [
        {"path": "", "id": one.id, "label": one.label, "wrong": one.wrong, "mend": ""} for one in asked if one.wrong
    ]
    faults += [{"id": "", "label": "", **problem} for problem in problems]
    everything = [one for step in steps for one in step.questions]
    return await visit.page(
        "wizard.html",
        wizard.title,
        422 if faults else 200,
        crumbs=wizard.crumbs,
        here=wizard.back,
        here_form=wizard.link,
        back=wizard.back,
        finish=wizard.finish,
        steps=[*(step.title for step in steps), wizard.finish],
        step=at,
        questions=asked,
        kept=kept,
        problems=faults,
        answers=[(one.label, said) for one in everything if (said := one.shown(one.value))],
    )

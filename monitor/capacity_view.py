"""What a search for the capacity shows: its steps as they end, the curve, the answer in a sentence or two."""

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from monitor.capacity import Capacity, CapacitySearch, Finding, SearchedWith, Step, StepOutcome, curve
from monitor.onboarding_words import reason_said
from monitor.report_format import duration, number
from monitor.words import Language, word

#: Columns of the curve's bars.
BAR = 40

#: A step that offered so much less than its rate says nothing about that rate: recipients are drawn, and it was short.
OFFERED_SHORT = 0.1


def told_before(told: SearchedWith) -> list[str]:
    """Return what is told before the first step: what of the workload is searched with, and what is left out."""
    said = [
        f"Searched with {told.arrivals} arrivals, in place of the phases {', '.join(told.phases_left_out)}.",
        f"Searched with the objectives {', '.join(told.objectives)}.",
    ]
    if told.faults:
        said.append(f"Searched with the faults {', '.join(told.faults)}.")
    if told.objectives_left_out:
        said.append(f"Left out, for a search tries lower rates: the objectives {', '.join(told.objectives_left_out)}.")
    if told.faults_left_out:
        said.append(f"Left out, for they would give way at any rate: the faults {', '.join(told.faults_left_out)}.")
    return said


def step_begins(step: Step) -> str:
    """Return what is told when a step begins."""
    return f"{step.kind.value}: {step.rate:,.1f} deliveries/s for {step.measure_s:g} s ..."


def step_ended(outcome: StepOutcome, why_invalid: str = "") -> str:
    """Return what is told when it is over."""
    p99 = f"delivery p99 {(outcome.latency_p99_s or 0) * 1000:,.1f} ms"
    if outcome.generator_limited:
        return f"  generator-limited: {why_invalid}"
    if outcome.held:
        return f"  held, {p99}"
    return f"  failed, {p99}: {outcome.limit.objective if outcome.limit else ''}"


def answer_sentences(answer: Capacity, search: CapacitySearch) -> list[str]:
    """Return the answer: what was found, what gave way first, and what makes it less sure than it looks."""
    said = [_finding(answer)]
    limit = answer.limit
    if limit is not None:
        at = "".join(
            f", {what} {value}"
            for what, value in (("stage", limit.stage), ("slowest agency", limit.agency), ("resource:", limit.resource))
            if value
        )
        said.append(f"First to give way: {limit.objective}{at}.")
    longest = max(
        (one for one in search.outcomes if one.held and one.step.rate == answer.rate),
        key=lambda one: one.step.measure_s,
        default=None,
    )
    if longest is not None and longest.offered_rate is not None:
        offered = longest.offered_rate
        if offered < (1 - OFFERED_SHORT) * longest.step.rate:
            said.append(f"As counted, {offered:,.1f} deliveries/s were offered there: give longer steps (--measure).")
    return said


def _finding(answer: Capacity) -> str:
    match answer.finding:
        case Finding.FOUND:
            return (
                f"Capacity: {answer.rate:,.1f} deliveries/s (it holds there, confirmed; at {answer.upper:,.1f} it does "
                "not)."
            )
        case Finding.AT_LEAST if answer.generator_limited:
            return f"Capacity: at least {answer.rate:,.1f} deliveries/s, generator-limited: use more fleets."
        case Finding.AT_LEAST:
            return f"Capacity: at least {answer.rate:,.1f} deliveries/s, which was the most to look for."
        case Finding.BELOW_MINIMUM:
            return "Not even the least rate holds."
        case _:
            return f"No answer: between {answer.rate:,.1f} and {answer.upper:,.1f} deliveries/s."


def capacity_view(answer: Capacity, search: CapacitySearch, language: Language) -> Group:
    """Return the curve of latency against rate, and the answer below it."""
    title = word("Latency against rate", language)
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for name in ("deliveries/s", "delivery p99"):
        table.add_column(word(name, language), justify="right")
    table.add_column("")
    points = curve(search.outcomes)
    longest = max((p99 for _, p99 in points), default=0) or 1
    for rate, p99 in points:
        table.add_row(number(rate, language, 1), duration(p99, language), "█" * max(1, round(p99 / longest * BAR)))
    said = " ".join(reason_said(one, language) for one in answer_sentences(answer, search))
    return Group(table, Text(said, style="bold"))

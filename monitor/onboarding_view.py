"""The page that an onboarding test ends with in the terminal: the answer first, then why, in either language."""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from docaxis.domain.agency import Registry
from monitor.onboarding_words import reason_said
from monitor.report_format import change_percent, duration, number
from monitor.report_view import Names
from monitor.report_words import report_word
from monitor.words import Language

_COLOURS = {"ready": "bold green", "ready with conditions": "bold yellow", "not ready": "bold red"}

#: Agencies that got slower and are shown; the result has all.
SHOWN_MAX = 20


def onboarding_view(told: Mapping[str, Any], registry: Registry, language: Language) -> RenderableType:
    """Return the page for the field `onboarding` of a result."""
    return Group(*(part for part in _Page(told, Names(registry, language), language).parts() if part is not None))


#: What could not have been seen, in the terminal and in the report.
UNSEEN = (
    "Slowdowns below {typical} could not have been seen for a typical agency, below {worst} not for the noisiest one."
)


class _Page:
    def __init__(self, told: Mapping[str, Any], names: Names, language: Language) -> None:
        self._told = told
        self._names = names
        self._language = language

    def parts(self) -> list[RenderableType | None]:
        return [self._answer(), self._newcomers(), self._compared(), self._slower(), self._unseen(), self._headroom()]

    def _say(self, text: str) -> str:
        return report_word(text, self._language)

    def _table(self, title: str, *columns: str) -> Table:
        table = Table(title=self._say(title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
        for place, column in enumerate(columns):
            table.add_column(self._say(column), justify="right" if place else "left")
        return table

    def _answer(self) -> Text:
        said = [self._say(self._told["answer"]).upper()]
        said += [f"  - {reason_said(one['text'], self._language)}" for one in self._told["reasons"]]
        return Text("\n".join(said), _COLOURS.get(self._told["answer"], "bold yellow"))

    def _newcomers(self) -> Table:
        table = self._table(
            "Newcomers", "agency", "like", "sent to it a second", "received a second", "keeps up with its inbox"
        )
        for one in self._told["newcomers"][:SHOWN_MAX]:
            rates = (number(one[f"{name}_per_second"], self._language, 1) for name in ("offered", "received"))
            like = f"{number(one['factor'], self._language, 2)} × {one['like']}"
            keeps_up = self._say("yes" if one["keeps_up"] else "no")
            table.add_row(f"{one['code']} {self._names.name(one['code'])}", like, *rates, keeps_up)
        return table

    def _compared(self) -> Table | None:
        if not self._told["compared"]:
            return None
        table = self._table("All agencies together", "latency", "without", "with", "change (95 %)", "judgement")
        for one in self._told["compared"]:
            values = (duration(one[side], self._language) for side in ("before", "after"))
            stage, _, percentile = one["name"].partition(" ")
            said = self._say(one["judgement"])
            table.add_row(f"{self._say(stage)} {percentile}", *values, self._change(one["change"]), said)
        return table

    def _change(self, change: Mapping[str, float] | None) -> str:
        if change is None:
            return "–"
        estimate, low, high = (change_percent(change[name], self._language) for name in ("estimate", "low", "high"))
        return f"{estimate} % ({low} … {high})"

    def _slower(self) -> RenderableType:
        slower = self._told["slower"]
        if not slower:
            said = self._say("None of {count} agencies got slower by more than noise and {effect}.")
            return Text(self._filled(said))
        table = self._table("Who got slower", "agency", "p99 without", "p99 with", "change (95 %)")
        for one in slower[:SHOWN_MAX]:
            name = f"{self._names.code(one['code'])} {self._names.name(one['code'])}"
            values = (duration(one[side], self._language) for side in ("before", "after"))
            table.add_row(name, *values, self._change(one))
        further = len(slower) - SHOWN_MAX
        return Group(table, Text(f"... +{further}")) if further > 0 else table

    def _unseen(self) -> Text | None:
        seen = self._told.get("smallest_slowdown")
        if seen is None:
            return None
        said = self._say(UNSEEN)
        for name in ("typical", "worst"):
            said = said.replace(f"{{{name}}}", f"{number(seen[name] * 100, self._language)} %")
        return Text(said)

    def _filled(self, text: str) -> str:
        effect = f"{number(self._told['minimum_effect'] * 100, self._language)} %"
        return text.replace("{count}", str(self._told["agencies_compared"])).replace("{effect}", effect)

    def _headroom(self) -> Text | None:
        room = self._told["headroom"]
        if room is None:
            return None
        said = self._say("at least {ratio} times the load" if room["at_least"] else "{ratio} times the load")
        ratio = number(room["ratio"], self._language, 2)
        then = (
            f"; {self._say('first to give way')}: {reason_said(room['limit'], self._language)}" if room["limit"] else ""
        )
        return Text(f"{self._say('Headroom')}: {said.replace('{ratio}', ratio)}{then}")

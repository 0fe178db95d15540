"""May new agencies be connected? The judgement on runs without and with them, interleaved. Pure.

    not ready               with the newcomers an objective is missed that was met without them, something is lost or
                            doubled, or a newcomer does not keep up with its own inbox
    ready with conditions   all objectives are met, but little headroom is left, or all agencies together or some of
                            those already connected get slower by more than anybody should have to accept, or could
                            have without being seen
    ready                   none of that
    cannot tell             the runs do not carry a judgement: one is invalid, too few, or the baseline itself misses
                            what is asked of it

Slower by more than anybody should have to accept is both, of one agency and of all together: by a fifth, and by a tenth
of what the objectives allow. A hub that gathers documents because more come takes some milliseconds longer: that is
told, and nobody has to be asked about it.

Who got slower is asked of all agencies at once, so chance alone would accuse some: the share of false accusations is
held (`monitor.statistics.discoveries`), and a slowdown below the minimum effect accuses nobody. That nobody is accused
says something only where a slowdown would have been seen: `resolution` tells from the pairs themselves which would.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from statistics import median, stdev

from monitor.statistics import MINIMUM_EFFECT, Change, Judgement, change_of_pairs, decide, discoveries, t_quantile

#: Repetitions with and without the newcomers below which nothing is judged.
PAIRS_MIN = 3
#: With less headroom than this above the load offered, an ordinary peak takes what is left.
HEADROOM_MIN = 1.3
#: The share of false accusations among those that are made.
FALSE_SHARE = 0.1
#: A slowdown counts as one that could have been seen if it would have been in this share of tests.
POWER = 0.8
#: More pairs than this nobody makes: then it is the runs that are too short.
PAIRS_MAX = 50
#: "Ready" is said although a serious slowdown of this share of the agencies would not have been seen: a spread that is
#: estimated from a few pairs is large somewhere by chance, whatever the noise.
UNSEEN_SHARE = 0.1
#: A smallest slowdown beyond a factor of a thousand says nothing more.
_LOG_MAX = math.log(1000)
#: Slower than this beside the newcomers is not a detail, if it is also this share of what the objectives allow.
SLOWDOWN_SERIOUS = 0.2
SLOWDOWN_SHARE = 0.1
#: A newcomer whose inbox grows by more than this share of what arrives in it does not keep up.
GROWTH_MAX = 0.01


class Answer(StrEnum):
    """The one line that is read."""

    READY = "ready"
    CONDITIONS = "ready with conditions"
    NOT_READY = "not ready"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True)
class OnboardingRun:
    """What is judged of one run, with or without the newcomers."""

    valid: bool
    missed: tuple[str, ...]  # names of the objectives missed
    faults: tuple[str, ...]  # of the ledger: lost, duplicated, misrouted
    p99_s: Mapping[str, float]  # agency code -> p99 of its delivery latency


@dataclass(frozen=True, slots=True)
class Newcomer:
    """How a new agency did, over the runs with it."""

    code: str
    offered_per_s: float  # deliveries addressed to it
    received_per_s: float
    missed: tuple[str, ...] = ()  # objectives of its own

    @property
    def keeps_up(self) -> bool:
        """Whether it received what was addressed to it, but for the last moments' worth."""
        return self.received_per_s >= (1 - GROWTH_MAX) * self.offered_per_s


@dataclass(frozen=True, slots=True)
class Slowdown:
    """An agency that is slower beside the newcomers, beyond noise and beyond the minimum effect."""

    code: str
    change: Change  # of its p99
    before_s: float  # its p99 without them and with them, the medians of the runs
    after_s: float


@dataclass(frozen=True, slots=True)
class Headroom:
    """Capacity over the load offered with the newcomers; `at_least` where more may be possible than was tried."""

    ratio: float
    at_least: bool = False
    limit: str = ""  # what gives way first


@dataclass(frozen=True, slots=True)
class Reason:
    """Why, with the figures: `kind` is a word of ours, `subject` the objective, agency or limit that it is about."""

    kind: str
    subject: str = ""
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Resolution:
    """Which slowdowns could have been seen, by agency: relative, of the p99."""

    typical: float  # the smallest that could have been of an agency as noisy as the median
    worst: float  # of the noisiest
    unseen: int  # agencies of which not even a serious one could
    agencies: int
    pairs_needed: int | None  # about so many would show serious ones; None: more than PAIRS_MAX

    @property
    def suffices(self) -> bool:
        """Whether nobody accused means that hardly anybody got seriously slower."""
        return self.unseen <= UNSEEN_SHARE * self.agencies


@dataclass(frozen=True, slots=True)
class OnboardingVerdict:
    """The answer with its reasons, the gravest first."""

    answer: Answer
    reasons: tuple[Reason, ...]
    slower: tuple[Slowdown, ...]
    resolution: Resolution | None = None


def slower_agencies(
    before: Sequence[OnboardingRun],
    after: Sequence[OnboardingRun],
    *,
    minimum_effect: float = MINIMUM_EFFECT,
    false_share: float = FALSE_SHARE,
) -> tuple[Slowdown, ...]:
    """Return who got slower, those first that are slower by most for certain: by the lower end of the interval.

    The i-th runs of both are a pair, made one right after the other. Only agencies that received
    something in every run can be compared.
    """
    changes: dict[str, Change] = {}
    for code in _in_all(before, after):
        change = change_of_pairs([run.p99_s[code] for run in before], [run.p99_s[code] for run in after])
        if change is not None:
            changes[code] = change
    standing = discoveries([change.p_value for change in changes.values()], false_share=false_share)
    found = [
        Slowdown(code, change, *(median(run.p99_s[code] for run in side) for side in (before, after)))
        for (code, change), stands in zip(changes.items(), standing, strict=True)
        if stands and decide(change, minimum_effect=minimum_effect) is Judgement.WORSE
    ]
    return tuple(sorted(found, key=lambda one: -one.change.low))


def _in_all(before: Sequence[OnboardingRun], after: Sequence[OnboardingRun]) -> list[str]:
    """Return the agencies that can be compared: those that received something in every run."""
    return sorted(set.intersection(*(set(run.p99_s) for run in (*before, *after))))


def resolution(
    before: Sequence[OnboardingRun],
    after: Sequence[OnboardingRun],
    *,
    accepted_s: float = 0.0,
    found: int = 0,
) -> Resolution | None:
    """Return which slowdowns these pairs could have shown; None where no agency can be compared.

    Of an agency whose log p99 changes by s (standard deviation) from pair to pair, over k pairs, the smallest is

        exp((t[1 - a/2, k - 1] + t[POWER, k - 1]) s / sqrt(k)) - 1

    with t[q, f] the q-quantile of Student's t with f degrees of freedom: the minimum detectable effect of Bloom 1995
    (Evaluation Review 19 (5), 547-556), on logs as `change_of_pairs` has them. a is what the control of false
    accusations leaves to one more agency, when `found` of m stand already: FALSE_SHARE (found + 1) / m (Benjamini and
    Hochberg 1995). Nothing below the minimum effect is ever seen.

    `accepted_s` is how many seconds longer anybody has to accept: a slowdown is serious beyond that and beyond
    SLOWDOWN_SERIOUS.
    """
    noises: list[float] = []
    serious: list[float] = []  # as logs
    pairs = len(before)
    for code in _in_all(before, after):
        first, second = ([run.p99_s[code] for run in side] for side in (before, after))
        if min(*first, *second) > 0 and pairs >= PAIRS_MIN:
            noises.append(stdev(math.log(b / a) for a, b in zip(first, second, strict=True)))
            serious.append(math.log1p(max(SLOWDOWN_SERIOUS, accepted_s / median(first))))
    if not noises:
        return None
    level = min(1.0, FALSE_SHARE * (found + 1) / len(noises))

    def unseen(pairs: int) -> int:
        return sum(noise * _reach(pairs, level) > far for noise, far in zip(noises, serious, strict=True))

    enough = (more for more in range(pairs, PAIRS_MAX + 1) if unseen(more) <= UNSEEN_SHARE * len(noises))
    typical, worst = (
        max(MINIMUM_EFFECT, math.expm1(min(noise * _reach(pairs, level), _LOG_MAX)))
        for noise in (median(noises), max(noises))
    )
    return Resolution(typical, worst, unseen(pairs), len(noises), next(enough, None))


@cache
def _reach(pairs: int, level: float) -> float:
    """Return how many standard deviations of a pair the mean must move to be seen."""
    freedom = pairs - 1
    return (t_quantile(1 - level / 2, freedom) + t_quantile(POWER, freedom)) / math.sqrt(pairs)


def judge_onboarding(
    before: Sequence[OnboardingRun],
    after: Sequence[OnboardingRun],
    newcomers: Sequence[Newcomer],
    headroom: Headroom | None = None,
    *,
    limit: str = "",
    allowed_s: float = 0.0,
    together: Mapping[str, Change] | None = None,
) -> OnboardingVerdict:
    """Judge runs without (`before`) and with (`after`) the newcomers.

    `together` are the latencies of all agencies together that got seriously worse, by name; `limit` is what gave way
    with the newcomers, if that is known; `allowed_s` what the strictest objective allows a delivery to take, 0 if there
    is none.
    """
    unfit = tuple(_unfit(before, after))
    if unfit:
        return OnboardingVerdict(Answer.CANNOT_TELL, unfit, ())
    slower = slower_agencies(before, after)
    against = tuple(_against(after, newcomers, headroom))
    if against and limit:
        against = (*against, Reason("limit", limit))
    accepted_s = SLOWDOWN_SHARE * allowed_s
    seen = resolution(before, after, accepted_s=accepted_s, found=len(slower))
    conditions = (
        *(Reason("slower together", name, change.estimate) for name, change in (together or {}).items()),
        *_conditions(slower, headroom, accepted_s),
        *_unseen(seen),
    )
    if headroom is None and not against:
        conditions = (Reason("headroom unknown"), *conditions)
    answer = Answer.NOT_READY if against else Answer.CONDITIONS if conditions else Answer.READY
    return OnboardingVerdict(answer, (*against, *conditions), slower, seen)


def _unfit(before: Sequence[OnboardingRun], after: Sequence[OnboardingRun]) -> Iterable[Reason]:
    """Why these runs carry no judgement."""
    pairs = min(len(before), len(after))
    if pairs < PAIRS_MIN or len(before) != len(after):
        yield Reason("too few pairs", value=pairs)
    invalid = sum(not run.valid for run in (*before, *after))
    if invalid:
        yield Reason("invalid runs", value=invalid)
    for name in _in_most(run.missed for run in before):
        yield Reason("missed without newcomers", name)
    for name in dict.fromkeys(fault for run in before for fault in run.faults):
        yield Reason("fault without newcomers", name)


def _against(
    after: Sequence[OnboardingRun], newcomers: Sequence[Newcomer], headroom: Headroom | None
) -> Iterable[Reason]:
    # One lost or doubled delivery is one too many; a missed objective must show in most of the repetitions.
    for name in dict.fromkeys(fault for run in after for fault in run.faults):
        yield Reason("fault", name)
    for name in _in_most(run.missed for run in after):
        yield Reason("missed", name)
    for one in newcomers:
        if not one.keeps_up:
            yield Reason("inbox grows", one.code, one.received_per_s / one.offered_per_s)
        for name in one.missed:
            yield Reason("missed by newcomer", f"{one.code}: {name}")
    if headroom is not None and headroom.ratio < 1 and not headroom.at_least:
        yield Reason("no headroom", headroom.limit, headroom.ratio)


def _conditions(slower: Sequence[Slowdown], headroom: Headroom | None, accepted_s: float) -> Iterable[Reason]:
    if headroom is not None and headroom.ratio < HEADROOM_MIN and (headroom.ratio >= 1 or headroom.at_least):
        yield Reason("headroom unproven" if headroom.at_least else "little headroom", headroom.limit, headroom.ratio)
    for one in slower:
        if one.change.estimate >= SLOWDOWN_SERIOUS and one.after_s - one.before_s >= accepted_s:
            yield Reason("slower", one.code, one.change.estimate)


def _unseen(seen: Resolution | None) -> Iterable[Reason]:
    """What might have happened without being seen, and what would show it."""
    if seen is not None and not seen.suffices:
        step = f"--repeat {seen.pairs_needed}" if seen.pairs_needed else "longer runs (--measure)"
        subject = f"{seen.unseen} of {seen.agencies} agencies may wait seriously longer; {step} would show it"
        yield Reason("slowdowns unseen", subject, seen.typical)


def _in_most(named: Iterable[Sequence[str]]) -> list[str]:
    """Return the names that more than half of the runs have."""
    runs = [frozenset(names) for names in named]
    return [name for name in sorted(frozenset().union(*runs)) if sum(name in run for run in runs) * 2 > len(runs)]

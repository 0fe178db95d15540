"""The onboarding verdict: each reason alone leads to its answer, and chance alone accuses nobody."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.onboarding import Answer, Headroom, Newcomer, OnboardingRun, judge_onboarding, slower_agencies
from tests.support.laws import law

CODES = [f"H{number:02}" for number in range(1, 96)]
FINE = (Newcomer("N01", 100, 99.9),)
ROOM = Headroom(3.0)


def runs(
    seed: int, repeats: int = 5, *, slowed: dict[str, float] | None = None, missed: int = 0, valid: bool = True
) -> list[OnboardingRun]:
    """Return runs whose p99s have 5 % of noise; `missed` of them miss the objective "p99"."""
    rng = np.random.default_rng(seed)
    return [
        OnboardingRun(
            valid,
            ("p99",) if number < missed else (),
            (),
            {code: 0.05 * (slowed or {}).get(code, 1.0) * math.exp(rng.normal(0, 0.05)) for code in CODES},
        )
        for number in range(repeats)
    ]


def kinds(verdict: object) -> list[str]:
    return [reason.kind for reason in verdict.reasons]  # type: ignore[attr-defined]


def test_nothing_wrong_is_ready() -> None:
    verdict = judge_onboarding(runs(1), runs(2), FINE, ROOM)
    assert (verdict.answer, verdict.reasons) == (Answer.READY, ())


@law(40)
@given(st.integers(0, 10**6))
def test_chance_alone_never_leads_to_not_ready_and_accuses_few(seed: int) -> None:
    verdict = judge_onboarding(runs(2 * seed), runs(2 * seed + 1), FINE, ROOM)
    assert verdict.answer is Answer.READY
    assert len(verdict.slower) <= 5


def test_who_got_slower_is_found_and_hardly_anybody_else() -> None:
    slowed = dict.fromkeys(CODES[:10], 1.6)
    found = {one.code for one in slower_agencies(runs(3, 6), runs(4, 6, slowed=slowed))}
    assert len(found & set(slowed)) >= 9
    assert len(found - set(slowed)) <= 2


def test_a_serious_slowdown_of_some_is_a_condition() -> None:
    verdict = judge_onboarding(runs(5, 6), runs(6, 6, slowed={"H07": 2.0, "H08": 2.0, "H09": 2.0}), FINE, ROOM)
    assert verdict.answer is Answer.CONDITIONS
    assert {reason.subject for reason in verdict.reasons} >= {"H07"}
    assert verdict.reasons[0].value == pytest.approx(1.0, abs=0.2)


def test_a_slowdown_of_milliseconds_is_told_and_is_no_condition() -> None:
    """From 50 ms to 100: against an objective of 10 s nobody is asked, against one of 0.4 s everybody concerned is."""
    before, after = runs(5, 6), runs(6, 6, slowed={"H07": 2.0, "H08": 2.0, "H09": 2.0})
    generous, strict = (judge_onboarding(before, after, FINE, ROOM, allowed_s=allowed) for allowed in (10.0, 0.4))
    assert generous.answer is Answer.READY
    assert {one.code for one in generous.slower} >= {"H07", "H08", "H09"}
    assert generous.slower == strict.slower
    assert strict.answer is Answer.CONDITIONS


@pytest.mark.parametrize(
    ("headroom", "answer", "kind"),
    [
        (Headroom(1.1, limit="routing p99"), Answer.CONDITIONS, "little headroom"),
        (Headroom(1.1, at_least=True), Answer.CONDITIONS, "headroom unproven"),
        (Headroom(0.8, at_least=True), Answer.CONDITIONS, "headroom unproven"),
        (Headroom(0.8, limit="routing p99"), Answer.NOT_READY, "no headroom"),
    ],
)
def test_headroom(headroom: Headroom, answer: Answer, kind: str) -> None:
    verdict = judge_onboarding(runs(1), runs(2), FINE, headroom)
    assert (verdict.answer, kinds(verdict)) == (answer, [kind])


@pytest.mark.parametrize(("missed", "answer"), [(2, Answer.READY), (3, Answer.NOT_READY), (5, Answer.NOT_READY)])
def test_an_objective_must_be_missed_in_most_repetitions(missed: int, answer: Answer) -> None:
    assert judge_onboarding(runs(1), runs(2, missed=missed), FINE, ROOM).answer is answer


def test_one_lost_delivery_is_one_too_many() -> None:
    after = runs(2)
    after[3] = OnboardingRun(True, (), ("1 lost",), after[3].p99_s)
    verdict = judge_onboarding(runs(1), after, FINE, ROOM)
    assert (verdict.answer, kinds(verdict)) == (Answer.NOT_READY, ["fault"])


def test_a_newcomer_that_does_not_keep_up_is_not_ready() -> None:
    verdict = judge_onboarding(runs(1), runs(2), (Newcomer("N01", 100, 80),), ROOM)
    assert (verdict.answer, kinds(verdict)) == (Answer.NOT_READY, ["inbox grows"])
    assert verdict.reasons[0].value == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (runs(1, 2), runs(2, 2), "too few pairs"),
        (runs(1, 4), runs(2, 5), "too few pairs"),
        (runs(1), runs(2, valid=False), "invalid runs"),
        (runs(1, missed=5), runs(2, missed=5), "missed without newcomers"),
    ],
)
def test_runs_that_carry_no_judgement(before: list[OnboardingRun], after: list[OnboardingRun], kind: str) -> None:
    verdict = judge_onboarding(before, after, FINE, ROOM)
    assert (verdict.answer, kinds(verdict)) == (Answer.CANNOT_TELL, [kind])

"""The reasons of an onboarding verdict as sentences: in English as they are stored, in Vietnamese for whoever asks."""

import re
from collections.abc import Sequence

from monitor.onboarding import PAIRS_MIN, Reason
from monitor.report_words import report_sentence
from monitor.words import Language

#: Agencies that got slower and are named among the reasons, one by one; the table beside them has all.
NAMED_MAX = 3

#: What a limit is said with, wherever in a sentence it stands.
_LIMIT_WORDS = (
    (r"\bstage send_delay\b", "chặng trễ gửi"),
    (r"\bstage routing\b", "chặng chuyển qua trục"),
    (r"\bstage pickup\b", "chặng lấy về"),
    (r"\bstage ", "chặng "),
    (r", resource: ", ", tài nguyên: "),
    (r"\bslowest agency ", "cơ quan chậm nhất "),
    (r"the hub's limit, set on purpose", "giới hạn cố ý đặt cho trục"),
    (r"\blimited to (\S+) deliveries/s", r"giới hạn \1 lượt giao/giây"),
    (r"\bdelivery (p\d+)\b", r"giao nhận \1"),
    (r"\brouting (p\d+)\b", r"chuyển qua trục \1"),
    (r"\ball processors of this machine, mostly (\S+)", r"mọi bộ xử lý của máy này, nhiều nhất là \1"),
    (r"\bprocessor of ", "bộ xử lý của "),
    (r"(\d+) of (\d+) agencies may wait seriously longer;", r"\1 trong \2 cơ quan có thể đã chờ lâu hơn đáng kể;"),
    (r"longer runs \(--measure\) would show it", "cần chạy lâu hơn (--measure) để thấy rõ"),
    (r"(--repeat \d+) would show it", r"cần \1 để thấy rõ"),
)


def few_reasons(reasons: Sequence[Reason]) -> list[Reason]:
    """Return the reasons, of agencies that got slower only the first, and how many more there are."""
    slower = [reason for reason in reasons if reason.kind == "slower"]
    others = [reason for reason in reasons if reason.kind != "slower"]
    further = len(slower) - NAMED_MAX
    more = [Reason("more slower", value=further)] if further > 0 else []
    return [*others, *slower[:NAMED_MAX], *more]


def reason_text(reason: Reason) -> str:
    """Return a reason as a sentence."""
    subject, value = reason.subject, reason.value or 0.0
    return {
        "too few pairs": f"{value:.0f} pairs of runs are too few to judge, {PAIRS_MIN} are needed",
        "invalid runs": f"{value:.0f} runs are invalid: the generator was late, or its clock stepped",
        "missed without newcomers": f"objective missed without the newcomers already: {subject}",
        "fault without newcomers": f"without the newcomers already: {subject}",
        "fault": f"with the newcomers: {subject}",
        "missed": f"objective missed with the newcomers: {subject}",
        "inbox grows": f"{subject} does not keep up with its inbox: it takes {value:.1%} of what is sent to it",
        "missed by newcomer": f"objective missed by a newcomer: {subject}",
        "limit": f"first to give way: {subject}",
        "no headroom": f"no headroom: the hub carries {value:.2f} times what is offered",
        "little headroom": f"little headroom: the hub carries {value:.2f} times what is offered; then: {subject}",
        "headroom unknown": "headroom was not looked for: whether an ordinary peak still fits is not known",
        "headroom unproven": f"headroom unproven: the generator was the limit at {value:.2f} times what is offered",
        "slower together": f"all agencies together: {subject} is {value:.0%} longer"
        if value < 1
        else f"all agencies together: {subject} is {1 + value:,.1f} times as long",
        "slower": f"{subject} waits {value:.0%} longer (p99)"
        if value < 1
        else f"{subject} waits {1 + value:,.1f} times as long (p99)",
        "slowdowns unseen": f"slowdowns below {value:.0%} could not have been seen (p99 of a typical agency): "
        f"{subject}",
        "more slower": f"{value:.0f} more agencies wait longer",
    }[reason.kind]


def reason_said(text: str, language: Language) -> str:
    """Return a stored reason, or a limit, in the language; what is not known stays as it is."""
    said = report_sentence(text, language)
    if language is Language.VI:
        for pattern, vietnamese in _LIMIT_WORDS:
            said = re.sub(pattern, vietnamese, said)
    return said

"""A fit as a workload file: some days of the fitted week, squeezed into so many seconds each. Pure."""

import json

from docaxis.recording.fitting import BURST_US, CALM_US, DAYS, HOURS, Fitted

#: A follow-up comes at most this part of the run after its document, or the run would hold none.
AFTER_MAX_SHARE = 0.25

#: A rate is above zero, however little was recorded.
RATE_MIN_PER_S = 1e-6


def workload_toml(fitted: Fitted, traffic_file: str, name: str, day_s: float, days: int = 1, registry: str = "") -> str:
    """Return the workload: as many documents in each hour of its days as these weekdays had on average."""
    squeeze, first = 86_400 / day_s, fitted.first_day(days)
    per_s = max(sum(map(sum, fitted.week)) / DAYS / day_s, RATE_MIN_PER_S)
    lines = [
        f"# Fitted to {fitted.working_days} working days: documents by hour of the week, holidays, bursts, who writes",
        "# what to whom. `day` and `days` say which days it runs: any others have the hours of their weekdays.",
        f"name = {json.dumps(name)}",
        'purpose = "the week of the recording, hour by hour"',
        *([f"registry = {json.dumps(registry, ensure_ascii=False)}"] if registry else []),
        "",
        "[documents]",
        f"calendar_start = {first.isoformat()}T00:00:00",
        f"calendar_speed = {squeeze:.6g}",
        *_recalls(fitted, squeeze, days * day_s),
        "",
        "[receipts]",
        f'poll_interval = "{2 * (fitted.pickup_us or 0.0) / 1000:.0f} ms"',
        f"life_cycle = {str(fitted.life_cycle).lower()}",
        "",
        "[[phases]]",
        f'name = "{"day" if days == 1 else "days"}"',
        f'duration = "{days * day_s * 1000:.0f} ms"',
        'arrivals = "weekly"',
        f'rate = "{per_s:.6f} documents/s"  # the mean of an ordinary week',
        f"day = {first.isoformat()}",
        f"days = {days}",
        "week = [  # documents in each hour, Monday first",
        *(f"  [{', '.join(f'{documents:.4g}' for documents in hours)}]," for hours in fitted.week),
        "]",
    ]
    if fitted.holiday_factor is not None:
        lines.append(f"holiday_factor = {fitted.holiday_factor:.6g}")
    if (factor := fitted.burst_factor) is not None:
        lines.append(f"burst_factor = {max(factor, 1.000001):.6f}")
        lines += [
            f'{key} = "{us / squeeze / 1000:.3f} ms"' for key, us in (("burst_for", BURST_US), ("calm_for", CALM_US))
        ]
    drain_s = max(30.0, 4 * (fitted.pickup_us or 0.0) / 1e6)
    lines += ["", "[[phases]]", 'name = "drain"', 'kind = "drain"', f'duration = "{drain_s:.0f} s"']
    lines += ["", "[[traffic]]", 'name = "recorded"', f"like = {json.dumps(traffic_file, ensure_ascii=False)}"]
    return "\n".join(lines) + "\n"


def _recalls(fitted: Fitted, squeeze: float, run_s: float) -> list[str]:
    if (recalls := fitted.recalls) is None:
        return []
    longest_ms = run_s * 1000 * AFTER_MAX_SHARE
    after_ms = longest_ms / HOURS if recalls.after_us is None else min(recalls.after_us / squeeze / 1000, longest_ms)
    kinds = ", ".join(f"{kind} = {count}" for kind, count in recalls.kinds.items())
    return [f'recalls = {{ share = {recalls.share:.6g}, after = "{after_ms:.3f} ms", kinds = {{ {kinds} }} }}']

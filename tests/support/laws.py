"""How hard a property is tried. Time is never judged here: a busy machine must not make a test fail."""

from hypothesis import HealthCheck, settings


def law(examples: int) -> settings:
    """Return settings that try a property with this many drawn examples."""
    return settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow])

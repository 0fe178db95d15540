"""Bounds of the histograms, in microseconds, with the objectives' thresholds among them; ages and codes counted."""


def in_us(*seconds: float) -> tuple[int, ...]:
    """Return bounds that are given in seconds."""
    return tuple(round(bound * 1_000_000) for bound in seconds)


#: From the first to the last moment of a delivery: 5 ms (a quiet machine) to 15 min (agencies that poll), with the
#: objectives' thresholds among them.
DELIVERY_BOUNDS = in_us(0.005, 0.025, 0.1, 0.25, 1, 2.5, 10, 30, 60, 300, 900)
#: Ages in seconds for which waiting deliveries are counted: each is a bound of the delivery latency too, so that an
#: objective with one of them counts what waits as late before it has arrived.
WAITING_OVER_S = (10, 60, 300, 900)
#: The one of them for which they are counted by recipient, too: the threshold that an objective per agency should have.
OWED_LATE_OVER_S = WAITING_OVER_S[-1]
#: When a delivery counts as lost, unless somebody says otherwise: four of the longest polls that an objective allows.
#: Within one poll nothing is late, and an agency that missed one or two of them has lost nothing.
LOST_AFTER_S = 4 * WAITING_OVER_S[-1]
#: Parts of a delivery that no agency's polling is in.
STAGE_BOUNDS = in_us(0.001, 0.005, 0.025, 0.1, 0.25, 1, 2.5, 10, 30, 60, 300)
#: The generator's own error: 1 ms is its objective.
LATENESS_BOUNDS = in_us(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1, 10)
#: One exchange with the broker.
BROKER_BOUNDS = in_us(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 10)
#: Codes of refusals that are a fault of the axis itself, not of sender or recipient: system error, file not processed.
AXIS_FAULT_CODES = ("20", "21")
#: Codes of refusals shown at 0 from the start: those of our hub, and those by which another one owns to a fault. A
#: counter that only appears with its first refusals never increased, and an alert would not see them.
REFUSAL_CODES = tuple(sorted(("10", "18", "19", *AXIS_FAULT_CODES, "22", "23")))

"""The numbers of recipients of a recording as a mix of kinds that a workload can name: each a mean, with its share.

The shares are those that make the recorded numbers likeliest, by expectation maximisation over kinds with fixed means:
each step gives a kind the part of the documents that it explains. It never gets worse, and needs no step size.
"""

from collections.abc import Mapping

import numpy as np

from docaxis.recording.fitting import FanOutClass
from producers.traffic import document_tables
from producers.traffic_fanout import FanOut

#: Means of the kinds offered; those that explain nothing are left out.
MEANS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0, 12.0, 20.0, 32.0, 48.0, 64.0, 80.0)

STEPS = 2000

#: A kind with a smaller share is left out.
SHARE_MIN = 0.002


def fit_fan_out(by_fan_out: Mapping[int, int], everybody: int) -> tuple[FanOutClass, ...]:
    """Return the kinds with their shares, at most sixteen. `everybody` is the most recipients a document can have."""
    shape = document_tables()["fan_out"]
    means = [mean for mean in MEANS if mean < everybody] + [float(everybody)]
    kinds = np.array(
        [FanOut.with_mean(mean, everybody, shape["exponent"], shape["broadcast_share"]).probabilities for mean in means]
    )
    recorded = np.zeros(everybody)
    for number, count in by_fan_out.items():
        recorded[min(number, everybody) - 1] += count
    recorded /= recorded.sum()
    shares = np.full(len(means), 1 / len(means))
    for _ in range(STEPS):
        mixed = shares @ kinds
        shares *= kinds @ np.divide(recorded, mixed, out=np.zeros_like(mixed), where=mixed > 0)
    shares[shares < SHARE_MIN] = 0
    shares /= shares.sum()
    return tuple(
        FanOutClass(f"mean-{mean:g}".replace(".", "-"), float(share), mean, everybody=mean == everybody)
        for mean, share in zip(means, shares, strict=True)
        if share
    )

"""How many recipients a document has: a distribution with a required mean, and draws with an exact sum.

Only the mean is published. The shape is an assumption (see documents.toml): a power law over 1..m, tilted exponentially
until the mean is met, beside a small share of broadcasts to all m other agencies:

    p(k) = (1 - b) * k**-s * exp(theta * k) / Z  +  b * [k == m]

    s      exponent of the power law
    b      share of broadcasts
    theta  tilt, solved for the mean
    Z      so that the first part adds up to 1 - b
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: Most that broadcasts make up of the deliveries beyond one a document, so that any mean stays possible.
_BROADCAST_PART_MAX = 0.25


@dataclass(frozen=True)
class FanOut:
    """The distribution of the number of recipients of a document."""

    probabilities: Floats  # of 1, 2, ..., m recipients
    mean: float

    @property
    def recipients_max(self) -> int:
        """The number of recipients of a broadcast: all agencies but the sender."""
        return len(self.probabilities)

    @classmethod
    def with_mean(cls, mean: float, recipients_max: int, exponent: float, broadcast_share: float) -> "FanOut":
        """Return the distribution over 1..recipients_max whose mean is `mean` recipients a document."""
        if not 1.0 <= mean <= recipients_max:
            raise ValueError(f"no fan-out with mean {mean:.3f}: it must lie between 1 and {recipients_max}")
        broadcasts = 0.0
        if recipients_max > 1:
            broadcasts = min(broadcast_share, _BROADCAST_PART_MAX * (mean - 1) / (recipients_max - 1))
        rest = (mean - broadcasts * recipients_max) / (1 - broadcasts)
        probabilities = (1 - broadcasts) * _tilted(rest, recipients_max, exponent)
        probabilities[-1] += broadcasts
        return cls(probabilities / probabilities.sum(), mean)

    def draw(self, rng: np.random.Generator, documents: int) -> Ints:
        """Draw the number of recipients of each document."""
        counts = rng.multinomial(documents, self.probabilities)
        fan_outs = np.repeat(np.arange(1, self.recipients_max + 1), counts)
        rng.shuffle(fan_outs)
        return fan_outs

    def draw_sum(self, rng: np.random.Generator, documents: int) -> int:
        """Draw only the sum that `draw` would have for a generator in the same state, much faster."""
        return int(rng.multinomial(documents, self.probabilities) @ np.arange(1, self.recipients_max + 1))

    def draw_exactly(self, rng: np.random.Generator, documents: int, deliveries: int) -> Ints:
        """Draw as `draw` does, then move single documents up or down by one recipient until the sum is exact."""
        if not documents <= deliveries <= documents * self.recipients_max:
            raise ValueError(
                f"{documents} documents to at most {self.recipients_max} cannot make {deliveries} deliveries"
            )
        fan_outs = self.draw(rng, documents)
        missing = deliveries - int(fan_outs.sum())
        while missing:
            # Broadcasts stay whole as long as others can give way.
            movable = fan_outs < self.recipients_max if missing > 0 else _reducible(fan_outs, self.recipients_max)
            candidates = np.flatnonzero(movable)
            step = min(abs(missing), len(candidates))
            fan_outs[rng.choice(candidates, step, replace=False)] += np.sign(missing)
            missing -= int(np.sign(missing)) * step
        return fan_outs


def _reducible(fan_outs: Ints, recipients_max: int) -> npt.NDArray[np.bool_]:
    several = fan_outs > 1
    narrow = several & (fan_outs < recipients_max)
    return narrow if narrow.any() else several


def _tilted(mean: float, recipients_max: int, exponent: float) -> Floats:
    """Return k**-exponent * exp(theta*k) over k = 1..recipients_max, normalised, with theta such that the mean fits."""
    k = np.arange(1, recipients_max + 1, dtype=np.float64)
    if mean <= 1.0 or mean >= recipients_max:
        return np.asarray(k == (1 if mean <= 1.0 else recipients_max), dtype=np.float64)
    low, high = -60.0, 60.0  # exp(-60) between neighbours: as good as one value
    for _ in range(80):
        theta = (low + high) / 2
        logs = theta * k - exponent * np.log(k)
        weights = np.exp(logs - logs.max())
        if weights @ k < mean * weights.sum():
            low = theta
        else:
            high = theta
    return np.asarray(weights / weights.sum(), dtype=np.float64)

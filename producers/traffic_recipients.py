"""Who receives a document: distinct recipients, never the sender, drawn by weight without replacement.

The law is successive sampling: recipients are drawn one after the other with probability proportional to their weights
among those left. Two exact ways to do it over whole columns: for few recipients, draw with replacement and throw away
repeats (the first k distinct values follow the law); for many, give each agency an exponential arrival time divided by
its weight and take the k first. A document to everybody needs no draw at all.
"""

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: Above this part of the registry, redrawing repeats costs more than racing all agencies.
_RACE_ABOVE = 0.2
#: Most cells of one race table, so that memory stays bounded for any registry.
_RACE_CELLS_MAX = 1 << 20


def draw_recipients(rng: np.random.Generator, senders: Ints, fan_outs: Ints, weights: Floats) -> tuple[Ints, Ints]:
    """Draw recipients for documents in order; return (recipients flattened, offsets n+1).

    `weights` are relative, one an agency. Within a document, recipients are in the order of the registry.
    """
    agencies = len(weights)
    offsets = np.zeros(len(fan_outs) + 1, dtype=np.int64)
    np.cumsum(fan_outs, out=offsets[1:])
    everybody = fan_outs >= agencies - 1
    many = (fan_outs > max(2, _RACE_ABOVE * agencies)) & ~everybody
    few = np.flatnonzero(~(everybody | many))
    parts = [
        _redraw_repeats(rng, few, senders, fan_outs, weights),
        _race(rng, np.flatnonzero(many), senders, fan_outs, weights),
        _all_others(np.flatnonzero(everybody), senders, agencies),
    ]
    keys = np.concatenate([part for part in parts if len(part)]) if len(fan_outs) else np.zeros(0, dtype=np.int64)
    keys.sort()  # document * agencies + recipient: brings the parts into document order
    return keys % agencies, offsets


def _redraw_repeats(rng: np.random.Generator, documents: Ints, senders: Ints, fan_outs: Ints, weights: Floats) -> Ints:
    """Draw with replacement, drop repeats and the sender, and draw again what is missing."""
    agencies = len(weights)
    cumulated = np.cumsum(weights)
    cumulated /= cumulated[-1]
    finished: list[Ints] = []
    kept = np.zeros(0, dtype=np.int64)
    missing = fan_outs[documents]
    while len(documents):
        drawn = np.searchsorted(cumulated, rng.random(int(missing.sum())), side="right")
        keys = np.repeat(documents * agencies, missing) + drawn
        if len(kept):
            keys = np.concatenate((kept, keys))
        keys.sort()
        owners, recipients = np.divmod(keys, agencies)
        valid = recipients != senders[owners]
        valid[1:] &= keys[1:] != keys[:-1]
        keys, owners = keys[valid], owners[valid]
        counts = np.bincount(owners, minlength=len(fan_outs))
        missing = fan_outs[documents] - counts[documents]
        open_documents = missing > 0
        waiting = np.zeros(len(fan_outs), dtype=np.bool_)
        waiting[documents[open_documents]] = True
        unfinished = waiting[owners]
        finished.append(keys[~unfinished])
        kept = keys[unfinished]
        documents, missing = documents[open_documents], missing[open_documents]
    return np.concatenate(finished) if finished else kept


def _race(rng: np.random.Generator, documents: Ints, senders: Ints, fan_outs: Ints, weights: Floats) -> Ints:
    """Take the first k of exponential arrivals with the agencies' weights as rates."""
    agencies = len(weights)
    rows = max(1, _RACE_CELLS_MAX // agencies)
    parts: list[Ints] = []
    for start in range(0, len(documents), rows):
        block = documents[start : start + rows]
        arrivals = rng.standard_exponential((len(block), agencies)) / weights
        arrivals[np.arange(len(block)), senders[block]] = np.inf
        order = np.argsort(arrivals, axis=1)
        chosen = np.arange(agencies) < fan_outs[block][:, None]
        parts.append((block[:, None] * agencies + order)[chosen])
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def _all_others(documents: Ints, senders: Ints, agencies: int) -> Ints:
    keys = documents[:, None] * agencies + np.arange(agencies)
    return np.asarray(keys[np.arange(agencies) != senders[documents][:, None]], dtype=np.int64)


def share_of(agency: int, weights: Floats, senders: Floats, broadcasters: Floats, fan_out: Floats) -> float:
    """Return the expected share of all deliveries that one agency receives.

    With k recipients, agency i is among them with probability w_i for k = 1, w_i (1 + sum of w_j / (1 - w_j) over the
    others) for k = 2, and near 1 - exp(-w_i t_k) beyond, where t_k is such that these add up to k: the usual
    approximation of successive sampling. What the agency sends itself it does not receive. `senders`, `broadcasters`:
    probabilities that an agency sends; `fan_out`: of 1, 2, ... recipients.
    """
    k = np.arange(1, len(fan_out) + 1)
    likely = np.flatnonzero(fan_out > 1e-9)[:-1] if fan_out[-1] > 0 else np.flatnonzero(fan_out > 1e-9)
    if len(likely) > 100:  # far more values than the answer needs: every tenth of the tail, with its neighbours' mass
        edges = np.unique(np.geomspace(1, len(likely), 60).astype(np.int64)) - 1
        mass = np.add.reduceat(fan_out[likely], edges)
        first_moment = np.add.reduceat(fan_out[likely] * k[likely], edges)
        sizes, mass = first_moment / mass, mass
    else:
        sizes, mass = k[likely].astype(np.float64), fan_out[likely]
    rates = weights / weights.sum()
    times = sizes.copy()
    for _ in range(16):  # Newton: the sum rises ever more slowly in t, so steps from below never overshoot
        gone = np.exp(-times[:, None] * rates)
        times = times + (sizes - (1 - gone).sum(axis=1)) / np.maximum((gone * rates).sum(axis=1), 1e-300)
    chosen = 1 - np.exp(-times * rates[agency])
    others = np.delete(rates, agency)
    chosen[sizes == 1] = rates[agency]
    chosen[sizes == 2] = rates[agency] * (1 + (others / (1 - others)).sum())
    received = float(mass @ chosen) * (1 - senders[agency])
    received += float(fan_out[-1]) * (1 - broadcasters[agency])
    return float(received / (fan_out @ k))


def weight_for_share(
    agency: int, share: float, weights: Floats, senders: Floats, broadcasters: Floats, fan_out: Floats
) -> float:
    """Return the weight with which an agency receives `share` of the deliveries, as near as that is possible.

    Never less than the average of the others: in a small registry everybody receives more than the share.
    """
    others = np.delete(weights, agency)
    low = float(others.mean())
    high = float(others.sum()) * 20
    trial = weights.copy()
    for _ in range(20):
        trial[agency] = middle = float(np.sqrt(low * high))
        if share_of(agency, trial, senders, broadcasters, fan_out) < share:
            low = middle
        else:
            high = middle
    return float(np.sqrt(low * high))

"""Every metric there is, declared once. Collectors, dashboards, alerts and docs/METRICS.md all refer to this list.

Names are `docaxis_<part>_<noun>_<unit>[_total]` in base units. The run is a label of `docaxis_run_info` only: values
are summed over runs. Counters begin at 0 with their process and only grow; the ledger's gauges are restored with the
state, so their sum over all workers is always the whole picture. No metric has a pair of agencies or a document as
label; agencies beyond the hundredth are counted as "other".
"""

from monitor.catalogue import canary, every_role, fleet, hub, ledger, live_page, meter, stream_worker

# A theme is a module; whoever names a metric asks here, whatever the theme.
from monitor.catalogue.bounds import *  # noqa: F403
from monitor.catalogue.canary import *  # noqa: F403
from monitor.catalogue.every_role import *  # noqa: F403
from monitor.catalogue.fleet import *  # noqa: F403
from monitor.catalogue.hub import *  # noqa: F403
from monitor.catalogue.ledger import *  # noqa: F403
from monitor.catalogue.live_page import *  # noqa: F403
from monitor.catalogue.meter import *  # noqa: F403
from monitor.catalogue.stream_worker import *  # noqa: F403
from monitor.metric import Spec

_THEMES = (meter, ledger, stream_worker, hub, fleet, live_page, canary, every_role)

#: All of them, in the order of the themes.
CATALOGUE: tuple[Spec, ...] = (
    *(spec for theme in _THEMES for spec in vars(theme).values() if isinstance(spec, Spec)),
    *every_role.PROCESS,
)

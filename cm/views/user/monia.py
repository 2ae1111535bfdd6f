"""CC1's name of what was measured of VMs."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from cm.results.series import CC1Row
from cm.rpc.types import Id
from cm.rpc.view import user_view
from cm.rules.access import Action
from cm.services.context import ClusterCall
from cm.services.series import cc1_statistics

StatName = Annotated[int, Meta(ge=0, le=8)]
StatNames = Annotated[list[StatName], Meta(min_length=1, max_length=9)]
Epoch = Annotated[int, Meta(ge=0, le=2**40, description="Unix seconds.")]
StatRange = Annotated[int, Meta(ge=0, le=6, description="1 h, 6 h, 12 h, 1 day, 1 week, 1 month, 1 year.")]
Resolution = Annotated[int, Meta(ge=0, le=6, description="10 s, 1 min, 5 min, 15 min, 1 h, 1 day, 7 days.")]


@user_view(on={"vm_id": Action.SEE})
def vm_stats(
    caller: ClusterCall,
    vm_id: Id,
    stat_name: StatName | StatNames,
    time: Epoch,
    stat_range: StatRange,
    resolution: Resolution,
) -> list[CC1Row]:
    """
    What was measured of a VM until ``time``, in CC1's shape. ``user.vm.statistics`` has more.

    :param stat_name: 0 seconds of CPU (for each CPU), 1 reads, 2 bytes read, 3 writes, 4 bytes written, 5 bytes
        received, 6 packets received, 7 bytes sent, 8 packets sent; one or several.
    :return: first ``["timestamp", names, units, end, start, totals]``, then a list for each moment: unix seconds, and
        what each was in a second.
    """  # fmt: skip
    names = stat_name if isinstance(stat_name, list) else [stat_name]
    return cc1_statistics(caller, vm_id, names, time, stat_range, resolution)

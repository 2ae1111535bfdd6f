"""CC1's name of what was measured of VMs, of anybody's."""

from __future__ import annotations

from cm.results.series import CC1Row
from cm.rpc.types import Id
from cm.rpc.view import admin_view
from cm.services.context import ClusterCall
from cm.services.series import cc1_statistics
from cm.views.user.monia import Epoch, Resolution, StatName, StatNames, StatRange


@admin_view
def vm_stats(
    caller: ClusterCall,
    vm_id: Id,
    stat_name: StatName | StatNames,
    time: Epoch,
    stat_range: StatRange,
    resolution: Resolution,
) -> list[CC1Row]:
    """What was measured of anybody's VM, as ``user.monia.vm_stats``."""  # fmt: skip
    names = stat_name if isinstance(stat_name, list) else [stat_name]
    return cc1_statistics(caller, vm_id, names, time, stat_range, resolution, administrator=True)

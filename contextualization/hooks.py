"""
The two entries of the life of a VM: ``update_vm`` is what a node's hook leads to, ``update_resources`` ends a VM whose
domain and volumes are gone. Both are services, so that reconciliation reaches the same ends when hooks are lost.
"""

from cm.services.evidence import update_vm
from cm.services.release import update_resources

__all__ = ["update_resources", "update_vm"]

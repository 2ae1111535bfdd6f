"""The kinds of operation: all that is known of one stands here."""

from __future__ import annotations

from enum import StrEnum


class OperationKind(StrEnum):
    VM_CREATE = "vm_create"
    VM_START = "vm_start"
    VM_STOP = "vm_stop"
    VM_SHUTDOWN = "vm_shutdown"
    VM_RESET = "vm_reset"
    VM_MOVE = "vm_move"
    VM_PAUSE = "vm_pause"
    VM_RESUME = "vm_resume"
    VM_DESTROY = "vm_destroy"
    VM_SAVE = "vm_save_and_shutdown"
    VM_VNC = "vm_vnc"
    IMAGE_IMPORT = "image_import"
    IMAGE_DELETE = "image_delete"
    STORAGE_ATTACH = "storage_attach"

"""Words that people try, from habit or from other clouds, and what they are here."""

from __future__ import annotations

from typing import Final

_SAVE: Final = "An image of it, while it goes on: wawel vm save VM IMAGE_NAME"
_SSH: Final = "Its address is in wawel vm ls; log in with: ssh USER@ADDRESS"
_SIZE: Final = "wawel vm stop VM, and then: wawel vm resize VM, with another template"

# By the group that was asked, "" for wawel itself.
WORDS: Final[dict[str, dict[str, str]]] = {
    "vm": {
        "add": "wawel vm create", "new": "wawel vm create", "run": "wawel vm create", "launch": "wawel vm create",
        "terminate": "wawel vm destroy", "kill": "Cut its power with: wawel vm stop VM",
        "poweroff": "wawel vm stop, or wawel vm shutdown to ask its guest", "halt": "wawel vm shutdown",
        "restart": "wawel vm reboot, or wawel vm reset",
        "rename": "wawel vm edit VM --name NEW_NAME", "backup": _SAVE,
        "guard": "wawel vm set-policy VM --guarded", "protect": "wawel vm set-policy VM --guarded",
        "unguard": "wawel vm set-policy VM --no-guarded", "policy": "wawel vm set-policy VM",
        "passwd": "wawel vm password-reset VM", "password": "wawel vm password-reset VM",
        "keys": "wawel vm install-keys VM", "key": "wawel vm install-keys VM", "ip": "wawel vm guest-info VM",
        "metadata": "wawel vm set-imds VM", "imds": "wawel vm set-imds VM",
        "snapshot": "wawel vm create-snapshot VM NAME",
        "clone": _SAVE, "hibernate": "wawel vm suspend", "sleep": "wawel vm suspend", "wake": "wawel vm wake-up",
        "unpause": "wawel vm resume", "scale": _SIZE, "flavor": _SIZE, "ssh": _SSH, "exec": _SSH, "connect": _SSH,
        "move": "wawel vm migrate VM, by an administrator; a whole node is emptied by: wawel node evacuate NODE",
        "log": "wawel vm console", "logs": "wawel vm console", "info": "wawel vm show", "status": "wawel vm show",
        "describe": "wawel vm show", "inspect": "wawel vm show", "screen": "wawel vm vnc",
        "watch": "wawel vm ls --watch",
        "share": "wawel acl set vm VM user --login LOGIN", "events": "wawel events --kind vm --follow",
    },
    "user": {
        "passwd": "wawel password change, or as an administrator: wawel user set-password USER",
        "password": "wawel password change, or as an administrator: wawel user set-password USER",
        "quota": "wawel quota show USER", "lock": "wawel user block", "unlock": "wawel user unblock",
        "disable": "wawel user block", "enable": "wawel user activate", "create": "wawel user add",
        "new": "wawel user add", "approve": "wawel user activate",
    },
    "image": {
        "add": "wawel image import",
        "create": "wawel image import, or of a VM: wawel vm save VM IMAGE_NAME",
        "publish": "wawel image set-access IMAGE public", "share": "wawel acl set image IMAGE user --login LOGIN",
        "rename": "wawel image edit IMAGE --name NEW_NAME",
    },
    "node": {
        "drain": "wawel node evacuate", "cordon": "wawel node lock", "uncordon": "wawel node unlock",
        "enable": "wawel node unlock", "activate": "wawel node unlock", "maintenance": "wawel node maintain",
        "create": "wawel node add",
        "rename": "wawel node edit NODE --name NEW_NAME", "vms": "wawel vm ls -A",
    },
    "op": {
        "cancel": "wawel op abandon", "kill": "wawel op abandon", "watch": "wawel op wait", "status": "wawel op show",
    },
    "key": {"import": "wawel key add", "create": "wawel key generate", "upload": "wawel key add"},
    "cluster": {"create": "wawel cluster add", "use": "wawel profile set PROFILE --cluster CLUSTER"},
    "": {
        "version": "wawel --version", "help": "wawel --help", "logs": "wawel vm console VM, or wawel events",
        "log": "wawel vm console VM, or wawel events", "ssh": _SSH, "config": "wawel profile",
        "configure": "wawel login", "init": "wawel login", "connect": "wawel login", "context": "wawel profile",
        "passwd": "wawel password change", "me": "wawel whoami", "id": "wawel whoami",
        "event": "wawel events", "explain-vm": "wawel explain VM", "ps": "wawel vm ls",
        "signup": "wawel register",
        "flavor": "wawel template", "size": "wawel template", "host": "wawel node",
        "hypervisor": "wawel node", "evacuate": "wawel node evacuate", "token": "wawel api-key",
        "apikey": "wawel api-key", "share": "wawel acl set", "import": "wawel image import",
    },
}  # fmt: skip
_OF_VMS: Final = ("start", "stop", "create", "destroy", "delete", "rm", "shutdown", "pause", "resume", "suspend",
                  "vnc", "console", "ls", "list", "show", "reset", "reboot")  # fmt: skip


def for_word(group: str, word: str, known: list[str]) -> str:
    """What somebody may mean by a word that is no command of a group; "" where nothing comes to mind."""
    word = word.lower()
    if word in WORDS.get(group, {}):
        return WORDS[group][word]
    if not group and word in _OF_VMS:
        return f"wawel vm {word}"
    if not group and word in WORDS["vm"]:
        return WORDS["vm"][word]
    for singular in (word.removesuffix("s"), word.replace("_", "-")):
        if singular != word and singular in known:
            return f"wawel {group + ' ' if group else ''}{singular}"
    from difflib import get_close_matches

    near = get_close_matches(word, known, 3, 0.6)
    return " or ".join(f"wawel {group + ' ' if group else ''}{each}" for each in near)

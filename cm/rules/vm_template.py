"""
VM templates: what is installed on the VMs that are made by one, in whatever size. What a template leaves open it has of
its parent, as its parent has it of its own; what the caller of a create says comes before all of them.

Source: oVirt's "Vm Templates", which keeps size and template apart; CIRCLE's InstanceTemplate, which has parents.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from cm.rpc.errors import InvalidParameter
from cm.rpc.vocabulary import NAME_MAX, TemplateField

DEPTH_MAX: Final = 8  # templates of a chain: what one leaves open is looked for in all of them, at each create
_EMPTY: Final[Mapping[TemplateField, Any]] = {
    TemplateField.ISO_LIST: [],
    TemplateField.NEW_DISKS: [],
    TemplateField.NETWORKS: [],
    TemplateField.TRAITS: [],
    TemplateField.TAGS: {},
}
_VERSION: Final = re.compile(r"(.*) v([0-9]{1,6})", re.DOTALL)


def effective(chain: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """
    What VMs get by a template.

    :param chain: what it and its parents say, itself first; None is left open.
    :return: by the names of ``TemplateField``; lists that nobody says are empty, all else is None then.
    """
    found: dict[str, Any] = {}
    for name in TemplateField:
        said = (link[name] for link in chain if link[name] is not None)
        found[name.value] = next(said, _EMPTY.get(name))
    return found


def check_parent(template_id: int | None, above: Sequence[int], height: int = 1) -> None:
    """
    :param template_id: that gets the parent; None: a new one.
    :param above: the parent and its parents, itself first.
    :param height: of the longest chain that the template is the first of, itself counted.
    :raises InvalidParameter: it would be its own parent, or a chain would be too long.
    """
    if template_id in above:
        raise InvalidParameter("parent_template_id", f"template {above[0]} is made of template {template_id}, or is it")
    if len(above) + height > DEPTH_MAX:
        raise InvalidParameter("parent_template_id", f"more than {DEPTH_MAX} templates would be made of each other")


def next_version(name: str, taken: Collection[str]) -> str:
    """
    The name of a template that is saved of a VM: "web" becomes "web v1", that "web v2", or what comes next.

    :param name: of what the VM was made by, or its own.
    """
    numbered = _VERSION.fullmatch(name)
    stem, number = (numbered[1], int(numbered[2]) + 1) if numbered else (name, 1)
    while True:
        made = f"{stem[: NAME_MAX - 8]} v{number}"
        if made not in taken:
            return made
        number += 1

"""What ``bin/demo`` prints when the cloud is up: addresses, credentials, the first calls to try."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lab.cloud import Cloud

TEXT = """
  JSON-RPC       {url}/jsonrpc
  XML-RPC        {url}/RPC2
  hosts          {hosts}
  administrator  {admin.login} / {admin.password}
  user           {user.login} / {user.password}
  logs           {run}/*.log

Try, in another terminal of this directory:

  {define}
  call user.vm.get_by_id '[{vm_id}]'
  call user.vm.create '{{"name": "second", "description": "", "image_id": {image_id}, "template_id": {template_id}}}'
  call user.vm.get_console '[{vm_id}]'
  call user.vm.destroy '{{"vm_ids": [{vm_id}]}}'

  python3 -q
  >>> import json, xmlrpc.client
  >>> me = json.load(open("{base}/credentials.json"))["user"]
  >>> cloud = xmlrpc.client.ServerProxy(me["xmlrpc"], allow_none=True)
  >>> cloud.user.vm.create("third", "", {image_id}, {template_id})
  >>> [(vm["name"], vm["state"]) for vm in cloud.user.vm.get_list()]

Ctrl-C ends everything{kept}.
"""

# A function of the shell: a method and its parameters to a JSON-RPC request.
DEFINE = (
    'call() {{ curl -K {base}/user.curl -d '
    '"{{\\"jsonrpc\\": \\"2.0\\", \\"id\\": 1, \\"method\\": \\"$1\\", \\"params\\": $2}}"; echo; }}'
)


def first_calls(cloud: Cloud, vm: dict[str, Any]) -> str:
    """The text, with the values of a running cloud and of its first VM."""
    return TEXT.format(
        url=cloud.url,
        hosts=", ".join(f"{node.name} ({node.address})" for node in cloud.nodes),
        admin=cloud.credentials.admin,
        user=cloud.credentials.user,
        run=short(cloud.run_dir),
        base=short(cloud.base),
        define=DEFINE.format(base=short(cloud.base)),
        vm_id=vm["vm_id"],
        image_id=cloud.image_id,
        template_id=cloud.template_ids["tiny"],
        kept=f" and keeps {short(cloud.base)} for the next start" if cloud.keep else " and leaves nothing behind",
    )


def short(path: Path) -> str:
    """As seen from the current directory, where that is shorter."""
    return min(os.path.relpath(path), str(path), key=len)

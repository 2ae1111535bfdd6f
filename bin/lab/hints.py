"""What ``bin/demo`` prints when the cloud is up: addresses, credentials, the first calls to try."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.places import REPOSITORY

if TYPE_CHECKING:
    from lab.cloud import Cloud
    from lab.federation import Federation

CLOUD_TEXT = """
  portal         {url}/{portal}
  cloud manager  {url}  (JSON-RPC at /jsonrpc, XML-RPC at /RPC2)
  clusters       {clusters}
  administrator  {admin.login} / {admin.password}
  user           {user.login} / {user.password}
  logs           {run}/*.log

Try, in another terminal of this directory:

{commands}

Ctrl-C ends everything{kept}.
"""
# What to type, and why. The profiles of both accounts are there: the demo logged in by them.
COMMANDS = (
    (". {base}/env", "finds wawel, and its profiles"),
    ("wawel vm ls --all-clusters", ""),
    ("wawel vm create second --image tiny --template tiny --cluster {last} {until}", ""),
    ("wawel vm show second --cluster {last}", ""),
    ("wawel vm console second --cluster {last}", "what its guest says"),
    ("wawel vm destroy second --cluster {last} --wait --yes", ""),
    ("wawel --profile admin cluster ls", "as the administrator"),
    ("wawel --profile admin user ls", ""),
)
TALKS = (
    ("wawel login --profile demo --url {url} --login {user.login}", "once more; asks for the password"),
    ("wawel shell", "all of it, with completion; Ctrl-D ends it"),
)

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


def first_commands(cloud: Federation) -> list[tuple[str, str]]:
    """Commands that may be run one after the other, each with a word on it."""
    real = cloud.hypervisor == "qemu"
    values = {"base": cloud.base, "last": cloud.clusters[-1].name, "until": "--wait-guest" if real else "--wait"}
    return [(command.format(**values), why) for command, why in COMMANDS if real or "console" not in command]


def cloud_text(cloud: Federation) -> str:
    """The text for a cloud of several clusters."""
    built = (REPOSITORY / "clm" / "portal" / "dist" / "index.html").is_file()
    portal = "ui/" if built else "ui/  (not built: bin/bootstrap portal, or bin/demo --portal)"
    values = {"portal": portal, "url": cloud.clm.url, "admin": cloud.credentials.admin, "user": cloud.credentials.user}
    talks = [(command.format(**values), why) for command, why in TALKS]
    return CLOUD_TEXT.format(
        **values,
        clusters=", ".join(
            f"{cluster.name} ({cluster.url}; {', '.join(node.name for node in cluster.nodes)})"
            for cluster in cloud.clusters
        ),
        run=short(cloud.run_dir),
        commands="\n".join(
            f"  {command.replace(str(cloud.base), short(cloud.base)):<40}{'  # ' + why if why else ''}".rstrip()
            for command, why in [*first_commands(cloud), *talks]
        ),
        kept=f" and keeps {short(cloud.base)} for the next start" if cloud.keep else " and leaves nothing behind",
    )


def short(path: Path) -> str:
    """As seen from the current directory, where that is shorter."""
    return min(os.path.relpath(path), str(path), key=len)

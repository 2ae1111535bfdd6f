"""
Which node answers for which public address, decided here and nowhere else: never two.

For an account's address it is the node on which the VM is placed whose NIC has it. Of a shared address ports may lead
to guests on several nodes: it is the node of the oldest port whose VM is placed; ports that lead to other nodes wait.
Nodes whose agents do not know of public addresses answer for none.

A node that a VM is on its way to is told before what it is going to translate: so whatever the guest sends there before
the node answers leaves as before, else its connections would be refused by whoever it speaks to.
"""

from __future__ import annotations

from typing import Final

# Of a NIC c and a public address a: the NIC's own address of that family.
GUEST: Final = """(SELECT host(l.address) FROM network_lease l
                    WHERE l.nic_id = c.id AND family(l.address) = family(a.address) ORDER BY l.address LIMIT 1)"""

_FIRST: Final = """(SELECT w.{} FROM public_port q JOIN nic d ON d.id = q.nic_id
                         JOIN vm w ON w.id = d.vm_id AND w.node_claimed AND w.closed_at IS NULL
                         JOIN node m ON m.id = w.node_id AND m.answers_public
                        WHERE q.address_id = a.id ORDER BY q.id LIMIT 1)"""
ANSWERING: Final = _FIRST.format("node_id")  # of a shared address a
_ITS_VM: Final = _FIRST.format("id")  # the VM for whose port it is that node

_ADDRESSES: Final = f"""
       CASE WHEN n.answers_public THEN
       (SELECT json_agg(json_build_object('id', a.id, 'address', host(a.address), 'guest', {GUEST},
                   'bridge', b.bridge, 'uplink', nullif(a.uplink, '')) ORDER BY a.address)
          FROM vm v JOIN nic c ON c.vm_id = v.id JOIN public_address a ON a.nic_id = c.id
          JOIN network b ON b.id = c.network_id
         WHERE {{}} AND v.closed_at IS NULL AND {GUEST} IS NOT NULL)
       END"""
_PORTS: Final = f"""
       CASE WHEN n.answers_public THEN
       (SELECT json_agg(json_build_object('id', p.id, 'address', host(a.address), 'protocol', p.protocol,
                   'port', p.port, 'guest', {GUEST}, 'guest_port', p.guest_port, 'bridge', b.bridge,
                   'uplink', nullif(a.uplink, '')) ORDER BY a.address, p.protocol, p.port)
          FROM vm v JOIN nic c ON c.vm_id = v.id JOIN public_port p ON p.nic_id = c.id
          JOIN public_address a ON a.id = p.address_id JOIN network b ON b.id = c.network_id
         WHERE {{}} AND v.closed_at IS NULL AND {GUEST} IS NOT NULL)
       END"""
_HERE: Final = "v.node_id = n.id AND v.node_claimed"
_COMING: Final = "v.moves_to = n.id"

# Columns of a node n's document: what it answers for, and what comes to it. The order is that of addresses and ports.
OF_NODE: Final = f"""{_ADDRESSES.format(_HERE)} AS public,
       {_PORTS.format(f"{_HERE} AND {ANSWERING} = n.id")} AS ports,
       {_ADDRESSES.format(_COMING)} AS coming,
       {_PORTS.format(f"{_COMING} AND {_ITS_VM} = v.id")} AS coming_ports"""

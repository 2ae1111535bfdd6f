import { useMemo, type ReactNode } from "react";
import type { Machine } from "../api/cloud.ts";
import type { LiveRows } from "../ui/live.ts";
import { ofCluster, type ItemOf, type Placed } from "../api/list.ts";
import { networkOptions, securityOptions } from "../api/options.ts";
import { ask } from "../api/request.ts";
import type { PortProtocol, PublicPort } from "../api/wawel.ts";
import { plainly } from "../model/fields.ts";
import { given, listOf, numberOf, textOf } from "../model/form.ts";
import { limitFields, limits, limitsOf } from "../kinds/nics.ts";
import { AtMachine } from "../ui/AtMachine.tsx";
import { columns } from "../ui/columns.tsx";
import { List, type ListSpec } from "../ui/List.tsx";
import { useAnswer } from "../ui/live.ts";
import type { PageProps } from "../ui/Opened.tsx";
import { ListSection } from "../ui/lists.tsx";
import { Make, Section, type Making } from "../ui/parts.tsx";

type Nic = ItemOf<"user.nic.get_list"> & Placed;

const n = columns<Nic>();
const p = columns<PublicPort>();

function nicSpec({ vm_id, cluster }: Machine): ListSpec<Nic> {
  return {
    title: "nics.title",
    columns: [
      n.text("nic", "nics.number"), n.text("network", "column.network"), n.of("addresses", "machine.addresses", (row) => row.addresses.join(", ")),
      n.of("limits", "nics.limitsOf", limitsOf, { isMinor: true }),
      n.text("mac", "column.mac", { isMinor: true }), n.text("model", "column.model", { isMinor: true }),
    ],
    id: (row) => String(row.nic_id),
    name: (row) => `${row.nic}: ${row.network}`,
    actions: [
      {
        key: "security", title: "nics.security",
        fields: (row) => [
          { name: "security_group_ids", label: "menu.security", as: "several", options: securityOptions(cluster), initial: row.security_group_ids.map(String) },
        ],
        request: (row, values) =>
          ask("user.security_group.assign", { cluster, vm_id, nic: row.nic, security_group_ids: listOf(values, "security_group_ids").map(Number) }),
      },
      {
        key: "limits", title: "nics.limits", fields: limitFields,
        request: (row, values) => ask("user.nic.edit", { cluster, vm_id, nic: row.nic, ...limits(values) }),
      },
      {
        key: "detach", title: "action.detach", isDanger: true, confirm: { title: "nics.detachAsk", help: "nics.detachHelp" },
        request: (row) => ask("user.nic.detach", { cluster, vm_id, nic: row.nic }),
      },
    ],
    none: ["nics.none", "nics.noneHelp"],
  };
}

const attachNic = ({ vm_id, cluster }: Machine): Making => ({
  key: "attach-nic", title: "nics.attach",
  fields: [
    { name: "network_id", label: "column.network", as: "select", isRequired: true, options: networkOptions(cluster) },
    { name: "address", label: "column.address", help: "nics.addressHelp" },
    { name: "security_group_ids", label: "menu.security", as: "several", options: securityOptions(cluster) },
  ],
  request: (values) => {
    const groups = listOf(values, "security_group_ids").map(Number);
    return ask("user.nic.attach", {
      cluster, vm_id, network_id: numberOf(values, "network_id") ?? 0, ...given(values, "address"), ...(groups.length && { security_group_ids: groups }),
    });
  },
});

const PORT = [
  { name: "guest_port", label: "ports.guest", as: "number", isRequired: true, min: 1, max: 65_535 },
  { name: "protocol", label: "column.protocol", as: "select", isRequired: true, initial: "tcp", options: plainly(["tcp", "udp"]) },
  { name: "nic", label: "nics.number", as: "number", isRequired: true, initial: "0", min: 0, max: 31 },
] as const;

const addPort = ({ vm_id, cluster }: Machine): Making => ({
  key: "add-port", title: "ports.add", help: "ports.addHelp", fields: PORT,
  request: (values) =>
    ask("user.vm.add_port", {
      cluster, vm_id, guest_port: numberOf(values, "guest_port") ?? 0, protocol: textOf(values, "protocol") as PortProtocol, nic: numberOf(values, "nic") ?? 0,
    }),
});

function portSpec({ vm_id, cluster }: Machine): ListSpec<PublicPort> {
  return {
    title: "ports.title",
    columns: [
      p.text("guest_port", "ports.guest"), p.word("protocol", "column.protocol", "protocol"),
      p.of("at", "ports.at", (row) => `${row.address}:${row.port}`), p.status("state", "column.state", "publicState", { isMinor: true }),
      p.text("reason", "column.reason", { isMinor: true }),
    ],
    id: (row) => String(row.public_port_id),
    name: (row) => `${row.guest_port}/${row.protocol}`,
    actions: [{
      key: "remove", title: "action.remove", isDanger: true, confirm: { title: "confirm.delete", help: "ports.removeHelp" },
      request: (row) => ask("user.vm.remove_port", { cluster, vm_id, guest_port: row.guest_port, protocol: row.protocol, nic: row.nic }),
    }],
    none: ["ports.none", "ports.noneHelp"],
  };
}

function Ports({ machine }: { machine: Machine }): ReactNode {
  const { vm_id, cluster } = machine;
  const { value, error, reload } = useAnswer("user.vm.get_by_id", { vm_id, cluster }, ["vm", "public_address"]);
  const spec = useMemo(() => portSpec({ ...machine, vm_id, cluster }), [machine, vm_id, cluster]);
  const data = useMemo<LiveRows<PublicPort>>(
    () => ({ rows: value?.ports ?? [], came: error ?? value !== undefined, missing: [], reload }),
    [value, error, reload],
  );
  return (
    <Section title="ports.title" beside={<Make making={addPort(machine)} done={reload} />}>
      <List spec={spec} data={data} isPart />
    </Section>
  );
}

function Parts({ machine }: { machine: Machine }): ReactNode {
  const { vm_id, cluster } = machine;
  const source = useMemo(() => ofCluster("user.nic.get_list", cluster, { kinds: ["vm", "network", "security_group"] }, { vm_id }), [cluster, vm_id]);
  const spec = useMemo(() => nicSpec({ ...machine, vm_id, cluster }), [machine, vm_id, cluster]);
  return (
    <>
      <ListSection source={source} spec={spec} making={[attachNic(machine)]} />
      <Ports machine={machine} />
    </>
  );
}

export default function MachineNetwork({ params }: PageProps): ReactNode {
  return <AtMachine uuid={params["uuid"] ?? ""}>{(machine) => <Parts machine={machine} />}</AtMachine>;
}

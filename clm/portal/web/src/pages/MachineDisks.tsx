import { useMemo, type ReactNode } from "react";
import type { Machine } from "../api/cloud.ts";
import { ofCluster } from "../api/list.ts";
import { diskOptions, isoOptions } from "../api/options.ts";
import { ask } from "../api/request.ts";
import type { Freeze } from "../api/wawel.ts";
import {
  ATTACH_FIELDS, attachParams, DISK_ACTIONS, DISK_COLUMNS, DISK_OFFERS, FREEZE, SNAPSHOT_LIST, snapshotsOf, type Disk,
} from "../kinds/disks.ts";
import { DESCRIPTION, NAME } from "../model/fields.ts";
import { numberOf, textOf } from "../model/form.ts";
import { AtMachine } from "../ui/AtMachine.tsx";
import type { ListSpec } from "../ui/List.tsx";
import type { PageProps } from "../ui/Opened.tsx";
import { ListSection } from "../ui/lists.tsx";
import { Make, type Making } from "../ui/parts.tsx";

const DISKS: ListSpec<Disk> = {
  title: "menu.disks",
  columns: DISK_COLUMNS.filter((column) => !["vms", "cluster"].includes(column.key)),
  id: (row) => row.uuid,
  name: (row) => row.name,
  actions: DISK_ACTIONS.filter((action) => ["detach", "grow", "copy", "snapshot"].includes(action.key)),
  offers: DISK_OFFERS,
  none: ["machine.noDisks", "machine.noDisksHelp"],
};

function makings({ vm_id, cluster }: Machine): Record<"attach" | "snapshot" | "insert" | "eject", Making> {
  return {
    attach: {
      key: "attach-disk", title: "action.attach",
      fields: [{ name: "disk_id", label: "column.disk", as: "select", isRequired: true, options: diskOptions(cluster) }, ...ATTACH_FIELDS],
      request: (values) => ask("user.disk.attach", { cluster, vm_id, disk_id: numberOf(values, "disk_id") ?? 0, ...attachParams(values) }),
    },
    snapshot: {
      key: "snapshot-vm", title: "action.snapshot", help: "snapshots.vmHelp", fields: [NAME, DESCRIPTION, FREEZE],
      request: (values) =>
        ask("user.vm.create_snapshot", {
          cluster, vm_id, name: textOf(values, "name"), description: textOf(values, "description"), freeze: textOf(values, "freeze") as Freeze,
        }),
    },
    insert: {
      key: "insert-cd", title: "action.insertCd",
      fields: [{ name: "iso_image_id", label: "kind.iso", as: "select", isRequired: true, options: isoOptions(cluster) }],
      request: (values) => ask("user.vm.insert_cd", { cluster, vm_id, iso_image_id: numberOf(values, "iso_image_id") ?? 0 }),
    },
    eject: { key: "eject-cd", title: "action.ejectCd", help: "machine.ejectHelp", fields: [], request: () => ask("user.vm.eject_cd", { cluster, vm_id }) },
  };
}

function Parts({ machine }: { machine: Machine }): ReactNode {
  const { vm_id, cluster } = machine;
  const making = useMemo(() => makings({ ...machine, vm_id, cluster }), [machine, vm_id, cluster]);
  const disks = useMemo(() => ofCluster("user.disk.get_list", cluster, { page: ["before", "disk_id"], kinds: ["disk", "vm"] }, { vm_id }), [cluster, vm_id]);
  const snapshots = useMemo(() => snapshotsOf(cluster, { vm_id }), [cluster, vm_id]);
  return (
    <>
      <ListSection source={disks} spec={DISKS} making={[making.attach]}
        beside={<><Make making={making.insert} done={() => undefined} /><Make making={making.eject} done={() => undefined} /></>} />
      <ListSection source={snapshots} spec={SNAPSHOT_LIST} making={[making.snapshot]} />
    </>
  );
}

export default function MachineDisks({ params }: PageProps): ReactNode {
  return <AtMachine uuid={params["uuid"] ?? ""}>{(machine) => <Parts machine={machine} />}</AtMachine>;
}

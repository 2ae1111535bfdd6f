import { useMemo, type ReactNode } from "react";
import type { Machine } from "../api/cloud.ts";
import { ofCluster } from "../api/list.ts";
import { WORK_COLUMNS, WORK_FILTERS, workActions, type Work } from "../kinds/operations.ts";
import { AtMachine } from "../ui/AtMachine.tsx";
import type { ListSpec } from "../ui/List.tsx";
import type { PageProps } from "../ui/Opened.tsx";
import { ListSection } from "../ui/lists.tsx";

const SPEC: ListSpec<Work> = {
  title: "machine.history",
  columns: WORK_COLUMNS,
  filters: WORK_FILTERS,
  id: (row) => String(row.operation_id),
  name: (row) => String(row.operation_id),
  actions: workActions("user"),
  none: ["work.none", "work.noneHelp"],
};

function History({ machine: { vm_id, cluster } }: { machine: Machine }): ReactNode {
  const source = useMemo(
    () => ofCluster("user.operation.get_list", cluster, { page: ["before", "operation_id"], kinds: ["", "vm", "disk"] }, { vm_id }),
    [cluster, vm_id],
  );
  return <ListSection source={source} spec={SPEC} />;
}

export default function MachineHistory({ params }: PageProps): ReactNode {
  return <AtMachine uuid={params["uuid"] ?? ""}>{(machine) => <History machine={machine} />}</AtMachine>;
}

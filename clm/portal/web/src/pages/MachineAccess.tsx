import type { ReactNode } from "react";
import { Access } from "../ui/Access.tsx";
import { AtMachine } from "../ui/AtMachine.tsx";
import type { PageProps } from "../ui/Opened.tsx";

export default function MachineAccess({ params }: PageProps): ReactNode {
  return (
    <AtMachine uuid={params["uuid"] ?? ""}>
      {(machine) => <Access kind="vm" object_id={machine.vm_id} cluster={machine.cluster} />}
    </AtMachine>
  );
}

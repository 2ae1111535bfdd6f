import type { ReactNode } from "react";
import ConsoleTabs from "../console/ConsoleTabs.tsx";
import { AtMachine } from "../ui/AtMachine.tsx";
import type { PageProps } from "../ui/Opened.tsx";

export default function MachineConsole({ params }: PageProps): ReactNode {
  return <AtMachine uuid={params["uuid"] ?? ""}>{(machine) => <ConsoleTabs machine={machine} />}</AtMachine>;
}

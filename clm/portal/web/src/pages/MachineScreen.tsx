import type { ReactNode } from "react";
import ConsolePage from "../console/ConsolePage.tsx";
import type { PageProps } from "../ui/Opened.tsx";

export default function MachineScreen({ params }: PageProps): ReactNode {
  return <ConsolePage uuid={params["uuid"] ?? ""} kind="vnc" />;
}

import type { ReactNode } from "react";
import { GuidePage } from "./Help.tsx";

export default function HelpAdmin(): ReactNode {
  return <GuidePage guide="admin" />;
}

import type { MouseEvent, ReactNode } from "react";
import { go } from "./router.ts";

/** A link within the portal: followed without loading anew, opened elsewhere as any other link. */
export function Link(props: { to: string; className?: string; children: ReactNode }): ReactNode {
  const follow = (event: MouseEvent): void => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(props.to);
  };
  return (
    <a href={props.to} onClick={follow} className={props.className ?? "w-link"}>
      {props.children}
    </a>
  );
}

import type { MouseEvent, ReactNode } from "react";
import { go } from "./router.ts";

interface Props {
  to: string;
  className?: string;
  /** It is where one is. */
  isCurrent?: boolean;
  children: ReactNode;
}

/** A link within the portal: followed without loading anew, opened elsewhere as any other link. */
export function Link(props: Props): ReactNode {
  const follow = (event: MouseEvent): void => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(props.to);
  };
  return (
    <a href={props.to} onClick={follow} className={props.className ?? "w-link"} {...(props.isCurrent && { "aria-current": "page" })}>
      {props.children}
    </a>
  );
}

// Where the browser is. Its history is the only state.
import { useSyncExternalStore } from "react";

const MOVED = "wawel:moved";

export function go(address: string, instead = false): void {
  if (instead) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  dispatchEvent(new Event(MOVED));
}

function subscribe(moved: () => void): () => void {
  addEventListener("popstate", moved);
  addEventListener(MOVED, moved);
  return () => {
    removeEventListener("popstate", moved);
    removeEventListener(MOVED, moved);
  };
}

export const useAddress = (): URL => new URL(useSyncExternalStore(subscribe, () => location.href));

// One console as React sees it: a ticket, a WebSocket, and tries anew after a loss.
import { useCallback, useEffect, useState } from "react";
import type { Machine } from "../api/cloud.ts";
import { call, problemOf, type WawelError } from "../api/rpc.ts";
import { session } from "../api/session.ts";
import { lineOf, type Line } from "./line.ts";
import { endOf, pauseOf, urlOf, viewersOf, type End, type Kind } from "./model.ts";

export type Connection =
  | { is: "opening" }
  | { is: "there"; line: Line }
  | { is: "lost" }
  | { is: "over"; end: End & { is: "over" } }
  | { is: "refused"; error: WawelError };

/** Whether there is anything to connect to, as far as the machine tells. */
export function isReady(machine: Machine, kind: Kind): boolean {
  const runs = machine.state === "running" || machine.state === "paused" || machine.state === "rebooting";
  return runs && (kind === "serial" || (machine.vnc_enabled && machine.operation !== "vm_vnc"));
}

/** Connects while `ready`; `again` tries now, with `force` in somebody's place. */
export function useConnection(
  machine: Machine, kind: Kind, ready: boolean,
): { connection: Connection; viewers: readonly string[]; again: (force?: boolean) => void } {
  const { vm_id, cluster } = machine;
  const [connection, setConnection] = useState<Connection>({ is: "opening" });
  const [viewers, setViewers] = useState<readonly string[]>([]);
  const [asked, setAsked] = useState({ count: 0, force: false });
  useEffect(() => {
    if (!ready) return;
    let socket: WebSocket | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let over = false;
    let tries = 0;
    const connect = async (force: boolean): Promise<void> => {
      try {
        const ticket = await call("user.vm.open_console", { vm_id, cluster, kind, force, origin: location.origin });
        if (over) return;
        socket = new WebSocket(urlOf(location.origin, ticket.path, cluster), "binary");
        socket.binaryType = "arraybuffer";
        listen(socket);
      } catch (error) {
        if (!over) setConnection({ is: "refused", error: problemOf(error) });
      }
    };
    const listen = (made: WebSocket): void => {
      made.addEventListener("open", () => {
        tries = 0;
        if (!over && made === socket) setConnection({ is: "there", line });
      });
      // What is said beside the bytes is ours alone: whoever listens after us is told bytes.
      made.addEventListener("message", (event) => {
        if (typeof event.data !== "string") return;
        event.stopImmediatePropagation();
        const told = viewersOf(event.data, session.get()?.login ?? "");
        if (told && !over) setViewers(told);
      });
      const line = lineOf(made);
      made.addEventListener("close", (event) => {
        if (over || made !== socket) return;
        setViewers([]);
        const end = endOf(event.code, event.reason);
        setConnection(end.is === "lost" ? end : { is: "over", end });
        if (end.is === "lost") timer = setTimeout(() => void connect(false), pauseOf(tries++));
      });
    };
    setConnection({ is: "opening" });
    void connect(asked.force);
    return () => {
      over = true;
      clearTimeout(timer);
      socket?.close();
      setViewers([]);
    };
  }, [vm_id, cluster, kind, ready, asked]);
  const again = useCallback((force = false) => setAsked(({ count }) => ({ count: count + 1, force })), []);
  return { connection, viewers, again };
}

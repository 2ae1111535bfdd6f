// What comes between a console's WebSocket and its viewer: pure, so that it is tested without packages.
/**
 * A console's WebSocket for whoever shows it, who is loaded only then: what came before `begin` is kept, for of a screen
 * the first bytes are its server's greeting, without which nothing follows.
 */
export interface Line {
  socket: WebSocket;
  /** Call it when you listen. */
  begin: () => void;
}

const KEPT_MAX = 500; // pieces, of a guest that floods its serial console

export function lineOf(socket: WebSocket): Line {
  let early: unknown[] | undefined = [];
  socket.addEventListener("message", (event) => {
    if (!early) return;
    event.stopImmediatePropagation();
    early = [...early.slice(-KEPT_MAX), event.data];
  });
  return {
    socket,
    begin: () => {
      const kept = early ?? [];
      early = undefined;
      for (const data of kept) socket.dispatchEvent(new MessageEvent("message", { data }));
    },
  };
}

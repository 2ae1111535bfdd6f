// How a console is reached, and what its end and its messages mean: pure.
export type Kind = "vnc" | "serial";
export const KINDS: readonly Kind[] = ["vnc", "serial"];
/** The page that each has to itself. */
export const PAGE_OF = { vnc: "machineScreen", serial: "machineTerminal" } as const satisfies Record<Kind, string>;

/** The WebSocket's address at the cloud, for what `user.vm.open_console` answered. */
export function urlOf(origin: string, path: string, cluster: string): string {
  const url = new URL(path, origin.replace(/^http/, "ws"));
  url.searchParams.set("cluster", cluster);
  url.searchParams.set("viewers", "1");
  return url.href;
}

/** Why it ended. `lost` may be tried again; of the others the slug says what helps. */
export type End = { is: "lost" } | { is: "over"; slug: string; message: string };
const GONE_WRONG = 4000;

export function endOf(code: number, reason: string): End {
  if (code === 1000) return { is: "over", slug: "", message: reason };
  if (code !== GONE_WRONG) return { is: "lost" };
  const found = /^([a-z_]+): (.*)$/s.exec(reason);
  return { is: "over", slug: found?.[1] ?? "", message: found?.[2] ?? reason };
}

/** Who else is there, each once; `undefined`: it was no such message. */
export function viewersOf(text: string, own: string): string[] | undefined {
  let told: unknown;
  try {
    told = JSON.parse(text);
  } catch {
    return undefined;
  }
  const listed = (told as { viewers?: unknown } | null)?.viewers;
  if (!Array.isArray(listed)) return undefined;
  const logins = listed.map((each: { login?: unknown } | null) => String(each?.login ?? ""));
  const mine = logins.indexOf(own);
  if (mine >= 0) logins.splice(mine, 1);
  return [...new Set(logins.filter(Boolean))].sort();
}

export const PAUSE_MAX_MS = 30_000;
/** How long to wait before the next try. */
export const pauseOf = (tries: number): number => Math.min(PAUSE_MAX_MS, 500 * 2 ** Math.min(tries, 10));

const NAMED: Record<string, number> = { "\n": 0xff0d, "\r": 0xff0d, "\t": 0xff09, "\b": 0xff08, "\u001b": 0xff1b };

/** X11's keysyms that type a text; what no key makes is left out. */
export function keysymsOf(text: string): number[] {
  const found: number[] = [];
  for (const letter of text.replace(/\r\n/g, "\n")) {
    const code = letter.codePointAt(0) ?? 0;
    const named = NAMED[letter];
    if (named !== undefined) found.push(named);
    else if (code >= 0x20 && code !== 0x7f && (code < 0x80 || code >= 0xa0)) found.push(code < 0x100 ? code : 0x01000000 | code);
  }
  return found;
}

export const SHIFT = 0xffe1;
const SHIFTED = new Set([...'ABCDEFGHIJKLMNOPQRSTUVWXYZ~!@#$%^&*()_+{}|:"<>?'].map((letter) => letter.codePointAt(0)));
/** Whether a US keyboard makes it with Shift held, which a server of VNC's does not add. */
export const isShifted = (keysym: number): boolean => SHIFTED.has(keysym);

/** The keys by which one leaves a console for the page around it. */
export const leaves = (event: { ctrlKey: boolean; altKey: boolean; shiftKey: boolean; key: string }): boolean =>
  event.ctrlKey && event.altKey && event.shiftKey && ["Control", "Alt", "Shift"].includes(event.key);

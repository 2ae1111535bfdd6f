import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";
import { useEffect, useRef, type ReactNode } from "react";
import { useTexts } from "../ui/settings.ts";
import type { Line } from "./line.ts";
import { leaves } from "./model.ts";
import { withSheets } from "./sheets.ts";

const HIGH = 1 << 20; // bytes that wait to be drawn; beyond, the rest waits with us

/** A serial console's terminal. What the guest writes is shown, and followed in nothing: no links, no titles. */
export default function Serial(props: { line: Line; leave: () => void }): ReactNode {
  const { t } = useTexts();
  const box = useRef<HTMLDivElement>(null);
  const leave = useRef(props.leave);
  leave.current = props.leave;
  const { line } = props;
  useEffect(() => {
    if (!box.current) return;
    const place = box.current;
    const { socket } = line;
    const terminal = new Terminal({ screenReaderMode: true, scrollback: 5000, convertEol: false });
    const fit = new FitAddon();
    terminal.loadAddon(fit);
    const release = withSheets(() => terminal.open(place));
    terminal.attachCustomKeyEventHandler((event) => {
      if (!leaves(event)) return true;
      leave.current();
      return false;
    });
    fit.fit();
    terminal.focus();
    let drawing = 0;
    let waiting: Uint8Array[] = [];
    const draw = (bytes: Uint8Array): void => {
      drawing += bytes.length;
      terminal.write(bytes, () => {
        drawing -= bytes.length;
        while (drawing < HIGH && waiting.length) draw(waiting.shift() as Uint8Array);
      });
    };
    const heard = (event: MessageEvent): void => {
      const bytes = new Uint8Array(event.data as ArrayBuffer);
      if (drawing < HIGH && !waiting.length) draw(bytes);
      else waiting = [...waiting.slice(-500), bytes]; // of a guest that floods it the last is what is read
    };
    const send = (bytes: Uint8Array<ArrayBuffer>): void => {
      if (socket.readyState === WebSocket.OPEN) socket.send(bytes);
    };
    socket.addEventListener("message", heard);
    line.begin();
    const typed = terminal.onData((text) => send(new TextEncoder().encode(text)));
    const binary = terminal.onBinary((text: string) => send(Uint8Array.from(text, (letter) => letter.charCodeAt(0) & 255)));
    const sized = new ResizeObserver(() => fit.fit());
    sized.observe(place);
    return () => {
      sized.disconnect();
      socket.removeEventListener("message", heard);
      typed.dispose();
      binary.dispose();
      terminal.dispose();
      release();
    };
  }, [line]);
  return <div className="w-serial" ref={box} role="group" aria-label={t("console.terminal")} />;
}

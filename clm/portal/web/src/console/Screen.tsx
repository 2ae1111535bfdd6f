import RFB from "@novnc/novnc";
import { Button } from "@patternfly/react-core/dist/esm/components/Button/index.js";
import { Checkbox } from "@patternfly/react-core/dist/esm/components/Checkbox/index.js";
import { useEffect, useId, useRef, useState, type KeyboardEvent, type ReactNode } from "react";
import { useTexts } from "../ui/settings.ts";
import type { Line } from "./line.ts";
import { isShifted, keysymsOf, leaves, SHIFT } from "./model.ts";

const TEXT_MAX = 4096;

function TextBox(props: {
  title: string; help: string; send: string; text: string; change: (text: string) => void; use: () => void; close: () => void;
}): ReactNode {
  const { t } = useTexts();
  const id = useId();
  return (
    <div className="w-screen-text">
      <label htmlFor={id}>{props.title}</label>
      <p id={`${id}-help`}>{props.help}</p>
      <textarea id={id} aria-describedby={`${id}-help`} rows={4} maxLength={TEXT_MAX} value={props.text}
        onChange={(event) => props.change(event.target.value)} />
      <div className="w-actions">
        <Button onClick={props.use}>{props.send}</Button>
        <Button variant="link" onClick={props.close}>{t("console.cancel")}</Button>
      </div>
    </div>
  );
}

/** A machine's screen, keyboard and mouse. */
export default function Screen(props: { line: Line; leave: () => void }): ReactNode {
  const { t } = useTexts();
  const box = useRef<HTMLDivElement>(null);
  const rfb = useRef<RFB>(undefined);
  const [scaled, setScaled] = useState(true);
  const [shown, setShown] = useState<"text" | "clipboard">();
  const [text, setText] = useState("");
  const [clipboard, setClipboard] = useState("");
  const { line } = props;
  useEffect(() => {
    if (!box.current || line.socket.readyState > WebSocket.OPEN) return;
    const made = new RFB(box.current, line.socket, { shared: true });
    rfb.current = made;
    made.addEventListener("clipboard", (event) => setClipboard(String((event as CustomEvent<{ text: string }>).detail.text)));
    made.addEventListener("connect", () => made.focus());
    line.begin();
    return () => {
      rfb.current = undefined;
      made.disconnect();
    };
  }, [line]);
  useEffect(() => {
    if (rfb.current) rfb.current.scaleViewport = scaled;
  }, [scaled, line]);
  const pressed = (event: KeyboardEvent): void => {
    if (!leaves(event)) return;
    event.stopPropagation();
    rfb.current?.blur();
    props.leave();
  };
  const type = (): void => {
    for (const keysym of keysymsOf(text)) {
      const shifted = isShifted(keysym);
      if (shifted) rfb.current?.sendKey(SHIFT, "ShiftLeft", true);
      rfb.current?.sendKey(keysym, null);
      if (shifted) rfb.current?.sendKey(SHIFT, "ShiftLeft", false);
    }
    setText("");
    setShown(undefined);
    rfb.current?.focus();
  };
  return (
    <>
      <div className="w-actions">
        <Checkbox id="console-scale" label={t("console.scale")} isChecked={scaled} onChange={(_, checked) => setScaled(checked)} />
        <Button variant="secondary" onClick={() => rfb.current?.sendCtrlAltDel()}>{t("console.cad")}</Button>
        <Button variant="secondary" aria-expanded={shown === "text"} onClick={() => setShown(shown === "text" ? undefined : "text")}>
          {t("console.send")}
        </Button>
        <Button variant="secondary" aria-expanded={shown === "clipboard"}
          onClick={() => setShown(shown === "clipboard" ? undefined : "clipboard")}>
          {t("console.clipboard")}
        </Button>
      </div>
      {shown === "text" && (
        <TextBox title={t("console.sendTitle")} help={t("console.sendHelp")} send={t("console.sendIt")} text={text}
          change={setText} use={type} close={() => setShown(undefined)} />
      )}
      {shown === "clipboard" && (
        <TextBox title={t("console.clipboard")} help={t("console.clipboardHelp")} send={t("console.clipboardSend")}
          text={clipboard} change={setClipboard} use={() => rfb.current?.clipboardPasteFrom(clipboard)}
          close={() => setShown(undefined)} />
      )}
      <div className="w-screen" ref={box} onKeyDownCapture={pressed} role="group" aria-label={t("console.kind.vnc")} />
    </>
  );
}

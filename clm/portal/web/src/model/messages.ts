// What the servers tell people, a code with parameters, as sentences: pure.
import type { Message } from "../api/wawel.ts";
import { isKey, word, type Translate, type Values } from "../texts/translate.ts";

/** A message in words; of a code that is not known here, the code and its parameters. */
export function sentence(t: Translate, message: Pick<Message, "code" | "params">): string {
  const values: Values = {};
  for (const [name, value] of Object.entries(message.params)) values[name] = typeof value === "number" ? String(value) : String(value ?? "");
  const key = `message.${message.code}`;
  if (isKey(key)) return t(key, values);
  if (message.code.endsWith("_failed")) {
    const what = word(t, "work", message.code.slice(0, -"_failed".length));
    return t("message.failed", { what, name: values["name"] ?? "", reason: values["reason"] ?? values["error"] ?? "" });
  }
  return [message.code.replaceAll("_", " "), ...Object.entries(values).map(([name, value]) => `${name}: ${value}`)].join(", ");
}

// Why something cannot be done now, in words: pure.
import { told, word, type Translate } from "../texts/translate.ts";

/** The error that the call would give. */
export interface Reason {
  slug: string;
  message: string;
  fields: Record<string, unknown>;
}

/** Short enough for a button's title. */
export function why(t: Translate, reason: Reason): string {
  const { slug, fields } = reason;
  const of = (name: string): string => String(fields[name] ?? "");
  if (slug === "vm_wrong_state") return t("why.state", { state: word(t, "state", of("state")) });
  if (slug === "vm_busy") return t("why.busy", { work: word(t, "work", of("kind")) });
  if (slug === "disk_held") return t("why.busy", { work: word(t, "work", of("kind")) });
  if (slug === "disk_wrong_state") return t("why.disk", { state: word(t, "diskState", of("state")) });
  if (slug === "image_wrong_state") return t("why.image", { state: word(t, "imageState", of("state")) });
  if (slug === "in_use") return t("why.inUse", { users: of("users") });
  if (slug === "access_needed") return t("why.access", { level: word(t, "level", of("needs")) });
  return told(t, reason);
}

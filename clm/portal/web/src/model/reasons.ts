// Why something cannot be done now, in words: pure.
import { told, word, type Translate } from "../texts/translate.ts";

/** An error that a call gave, or would give. */
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
  if (slug === "quota_reached") {
    return t("why.quota", { what: word(t, "quotaOf", of("resource")), limit: Number(fields["limit"]), used: Number(fields["used"]), asked: Number(fields["asked"]) });
  }
  if (slug === "no_capacity") return t("why.noCapacity", { reason: of("reason") });
  if (slug === "image_needs_more") {
    const mib = (name: string): number => (of("resource") === "disk_bytes" ? Math.ceil(Number(fields[name]) / 2 ** 20) : Number(fields[name]));
    return t("why.imageNeeds", { what: word(t, "imageNeeds", of("resource")), least: mib("least"), given: mib("given") });
  }
  if (slug === "access_needed") return t("why.access", { level: word(t, "level", of("needs")) });
  return told(t, reason);
}

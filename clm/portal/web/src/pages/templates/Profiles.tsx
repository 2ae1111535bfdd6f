import type { ReactNode } from "react";
import { PROFILE_ACTIONS, PROFILE_COLUMNS, PROFILES, type VMProfile } from "../../kinds/templates.ts";
import { addressTo } from "../../model/routes.ts";
import "../../texts/templated.ts";
import type { ListSpec } from "../../ui/List.tsx";
import { Link } from "../../ui/Link.tsx";
import { ListPage } from "../../ui/lists.tsx";
import { useTexts } from "../../ui/settings.ts";

const SPEC: ListSpec<VMProfile> = {
  title: "profiles.title",
  columns: PROFILE_COLUMNS,
  id: (row) => row.uuid,
  name: (row) => row.name,
  actions: PROFILE_ACTIONS,
  none: ["profiles.none", "profiles.noneHelp"],
};

/** A VM template and a size under one name, each. */
export default function Profiles(): ReactNode {
  const { t } = useTexts();
  return <ListPage source={PROFILES} spec={SPEC} beside={<Link to={addressTo("templates")}>{t("menu.templates")}</Link>} />;
}

import type { ReactNode } from "react";
import { TEMPLATE_ACTIONS, TEMPLATE_COLUMNS, TEMPLATE_FILTERS, TEMPLATES, type VMTemplate } from "../../kinds/templates.ts";
import { addressTo } from "../../model/routes.ts";
import "../../texts/templated.ts";
import type { ListSpec } from "../../ui/List.tsx";
import { Link } from "../../ui/Link.tsx";
import { ListPage } from "../../ui/lists.tsx";
import { ButtonTo } from "../../ui/parts.tsx";
import { useTexts } from "../../ui/settings.ts";

const SPEC: ListSpec<VMTemplate> = {
  title: "menu.templates",
  columns: TEMPLATE_COLUMNS,
  filters: TEMPLATE_FILTERS,
  id: (row) => row.uuid,
  name: (row) => row.name,
  actions: TEMPLATE_ACTIONS,
  none: ["templates.none", "templates.noneHelp"],
};

/** What machines can be made by: one's own VM templates, and those that are shared with one. */
export default function Templates(): ReactNode {
  const { t } = useTexts();
  return (
    <ListPage source={TEMPLATES} spec={SPEC} beside={(
      <>
        <ButtonTo to={addressTo("newTemplate")} isPrimary>{t("templates.create")}</ButtonTo>
        <Link to={addressTo("profiles")}>{t("profiles.title")}</Link>
      </>
    )} />
  );
}

import type { ReactNode } from "react";
import { FARM_ACTIONS, FARM_COLUMNS, FARM_FILTERS, FARMS, type Farm } from "../../kinds/farms.ts";
import { addressTo } from "../../model/routes.ts";
import "../../texts/farmed.ts";
import type { ListSpec } from "../../ui/List.tsx";
import { ListPage } from "../../ui/lists.tsx";
import { ButtonTo } from "../../ui/parts.tsx";
import { useTexts } from "../../ui/settings.ts";

const SPEC: ListSpec<Farm> = {
  title: "menu.farms",
  columns: FARM_COLUMNS,
  filters: FARM_FILTERS,
  id: (row) => row.uuid,
  name: (row) => row.name,
  actions: FARM_ACTIONS,
  none: ["farms.none", "farms.noneHelp"],
};

/** One's farms, with what each takes and how long it has been up. */
export default function Farms(): ReactNode {
  const { t } = useTexts();
  return <ListPage source={FARMS} spec={SPEC} beside={<ButtonTo to={addressTo("newFarm")} isPrimary>{t("farms.create")}</ButtonTo>} />;
}

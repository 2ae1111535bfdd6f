import type { ReactNode } from "react";
import { DISK_ACTIONS, DISK_COLUMNS, DISK_OFFERS, DISKS, MAKE_DISK, type Disk } from "../kinds/disks.ts";
import { addressTo } from "../model/routes.ts";
import type { ListSpec } from "../ui/List.tsx";
import { ListPage } from "../ui/lists.tsx";
import { ButtonTo } from "../ui/parts.tsx";
import { useTexts } from "../ui/settings.ts";

const SPEC: ListSpec<Disk> = {
  title: "menu.disks",
  columns: DISK_COLUMNS,
  id: (row) => row.uuid,
  name: (row) => row.name,
  actions: DISK_ACTIONS,
  offers: DISK_OFFERS,
  none: ["disks.none", "disks.noneHelp"],
};

export default function Disks(): ReactNode {
  const { t } = useTexts();
  return (
    <ListPage source={DISKS} spec={SPEC} making={[MAKE_DISK]} beside={<ButtonTo to={addressTo("trash")}>{t("trash.title")}</ButtonTo>} />
  );
}

import type { ReactNode } from "react";
import { IMAGE_ACTIONS, IMAGE_COLUMNS, IMAGE_FILTERS, IMAGE_OFFERS, IMAGES, type Image } from "../kinds/images.ts";
import { addressTo } from "../model/routes.ts";
import type { ListSpec } from "../ui/List.tsx";
import { ListPage } from "../ui/lists.tsx";
import { ButtonTo } from "../ui/parts.tsx";
import { useTexts } from "../ui/settings.ts";

const SPEC: ListSpec<Image> = {
  title: "menu.images",
  columns: IMAGE_COLUMNS,
  filters: IMAGE_FILTERS,
  id: (row) => row.uuid,
  name: (row) => row.name,
  actions: IMAGE_ACTIONS,
  offers: IMAGE_OFFERS,
  none: ["images.none", "images.noneHelp"],
};

export default function Images(): ReactNode {
  const { t } = useTexts();
  return <ListPage source={IMAGES} spec={SPEC} beside={<ButtonTo to={addressTo("newImage")} isPrimary>{t("images.create")}</ButtonTo>} />;
}

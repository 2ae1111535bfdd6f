import { DescriptionList, DescriptionListDescription, DescriptionListGroup, DescriptionListTerm } from "@patternfly/react-core/dist/esm/components/DescriptionList/index.js";
import type { ReactNode } from "react";
import type { Key } from "../texts/translate.ts";
import { useTexts } from "./settings.ts";

/** What is known of one object, by name. */
export function Facts(props: { facts: readonly (readonly [Key, ReactNode])[] }): ReactNode {
  const { t } = useTexts();
  return (
    <DescriptionList isHorizontal isCompact>
      {props.facts.map(([name, value]) => (
        <DescriptionListGroup key={name}>
          <DescriptionListTerm>{t(name)}</DescriptionListTerm>
          <DescriptionListDescription className="w-break">{value || t("list.nothing")}</DescriptionListDescription>
        </DescriptionListGroup>
      ))}
    </DescriptionList>
  );
}

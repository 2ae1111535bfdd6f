import type { ReactNode } from "react";
import { Heading } from "./Heading.tsx";
import { Tabs } from "./parts.tsx";
import { useTexts } from "./settings.ts";

/** The frame of every page about one's account. */
export function AtAccount(props: { children: ReactNode }): ReactNode {
  const { t } = useTexts();
  return (
    <>
      <Heading text={t("menu.account")} />
      <Tabs label="account.parts" tabs={[
        ["account", "account.data"], ["factor", "factor.title"], ["sessions", "sessions.title"], ["apiKeys", "apiKeys.title"], ["quota", "quota.title"],
      ]} />
      {props.children}
    </>
  );
}

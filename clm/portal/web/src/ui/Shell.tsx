import { Alert } from "@patternfly/react-core/dist/esm/components/Alert/index.js";
import { Button } from "@patternfly/react-core/dist/esm/components/Button/index.js";
import { Label } from "@patternfly/react-core/dist/esm/components/Label/index.js";
import { Masthead, MastheadBrand, MastheadContent, MastheadMain } from "@patternfly/react-core/dist/esm/components/Masthead/index.js";
import { Page, PageSection } from "@patternfly/react-core/dist/esm/components/Page/index.js";
import { SkipToContent } from "@patternfly/react-core/dist/esm/components/SkipToContent/index.js";
import { useSyncExternalStore, type ReactNode } from "react";
import { feedState } from "../api/cloud.ts";
import { logOut, session } from "../api/session.ts";
import { Link } from "./Link.tsx";
import { useTexts } from "./settings.ts";
import { Preferences } from "./Preferences.tsx";
import { addresses } from "../model/routes.ts";

function Liveness(): ReactNode {
  const { t } = useTexts();
  const feed = useSyncExternalStore(feedState.subscribe, feedState.get);
  return (
    <span role="status">
      <Label isCompact color={feed.is === "live" ? "green" : feed.is === "down" ? "orange" : "grey"}>
        {t(`feed.${feed.is}`)}
      </Label>
    </span>
  );
}

function Old(): ReactNode {
  const { t, time } = useTexts();
  const feed = useSyncExternalStore(feedState.subscribe, feedState.get);
  return feed.is === "down" ? <Alert component="p" variant="warning" isInline title={t("feed.old", { time: time(feed.since) })} /> : null;
}

/** The frame around every page of somebody who is logged in. */
export function Shell(props: { children: ReactNode }): ReactNode {
  const { t } = useTexts();
  const who = useSyncExternalStore(session.subscribe, session.get);
  return (
    <Page
      mainContainerId="main"
      skipToContent={<SkipToContent href="#main">{t("app.skip")}</SkipToContent>}
      masthead={
        <Masthead>
          <MastheadMain>
            <MastheadBrand><span className="w-brand">Wawel</span></MastheadBrand>
            <nav aria-label={t("app.menu")}><Link to={addresses.machines()}>{t("machines.title")}</Link></nav>
          </MastheadMain>
          <MastheadContent>
            <div className="w-masthead">
              <Liveness />
              <Preferences />
              <span className="w-login">{who?.login}</span>
              <Button variant="secondary" onClick={() => void logOut().catch(() => undefined)}>{t("app.logout")}</Button>
            </div>
          </MastheadContent>
        </Masthead>
      }
    >
      <PageSection isFilled>
        <Old />
        {props.children}
      </PageSection>
    </Page>
  );
}

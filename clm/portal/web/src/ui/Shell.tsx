import { Alert } from "@patternfly/react-core/dist/esm/components/Alert/index.js";
import { Button } from "@patternfly/react-core/dist/esm/components/Button/index.js";
import { Label } from "@patternfly/react-core/dist/esm/components/Label/index.js";
import { Masthead, MastheadBrand, MastheadContent, MastheadMain } from "@patternfly/react-core/dist/esm/components/Masthead/index.js";
import { Page, PageSection } from "@patternfly/react-core/dist/esm/components/Page/index.js";
import { SkipToContent } from "@patternfly/react-core/dist/esm/components/SkipToContent/index.js";
import { useState, useSyncExternalStore, type ReactNode } from "react";
import { feedState } from "../api/cloud.ts";
import { logOut, session } from "../api/session.ts";
import { addressTo, type Route } from "../model/routes.ts";
import { Link } from "./Link.tsx";
import { Menu } from "./Menu.tsx";
import { Preferences } from "./Preferences.tsx";
import { useTexts } from "./settings.ts";

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

/** Where nothing can be made yet, whoever can change that is led there. */
function Unfinished(props: { at: Route["page"] }): ReactNode {
  const { t } = useTexts();
  const who = useSyncExternalStore(session.subscribe, session.get);
  if (!who?.is_cloud_admin || who.administers.length > 0 || props.at === "setup" || props.at === "clusters") return null;
  return <Alert component="p" variant="info" isInline title={t("setup.needed")} actionLinks={<Link to={addressTo("setup")}>{t("setup.title")}</Link>} />;
}

/** The frame around every page of somebody who is logged in. */
export function Shell(props: { route: Route; children: ReactNode }): ReactNode {
  const { t } = useTexts();
  const who = useSyncExternalStore(session.subscribe, session.get);
  // Where there is little width the menu is folded away until it is asked for.
  const [unfolded, setUnfolded] = useState(false);
  return (
    <Page
      mainContainerId="main"
      mainTabIndex={0}
      skipToContent={<SkipToContent href="#main">{t("app.skip")}</SkipToContent>}
      masthead={
        <Masthead display={{ default: "inline" }}>
          <MastheadMain>
            <Button className="w-fold" variant="secondary" aria-expanded={unfolded} aria-controls="menu" onClick={() => setUnfolded(!unfolded)}>
              {t("menu.fold")}
            </Button>
            <MastheadBrand><span className="w-brand">Wawel</span></MastheadBrand>
          </MastheadMain>
          <MastheadContent>
            <div className="w-masthead">
              <Liveness />
              <Link to={addressTo("account")} className="w-login">{who?.login}</Link>
              <Button variant="secondary" onClick={() => void logOut().catch(() => undefined)}>{t("app.logout")}</Button>
            </div>
          </MastheadContent>
        </Masthead>
      }
    >
      <PageSection isFilled>
        <div className="w-frame">
          <div id="menu" className={unfolded ? "w-side w-unfolded" : "w-side"}>
            <Menu route={props.route} onGo={() => setUnfolded(false)} />
            <div className="w-preferences"><Preferences /></div>
          </div>
          <div className="w-content">
            <Old />
            <Unfinished at={props.route.page} />
            {props.children}
          </div>
        </div>
      </PageSection>
    </Page>
  );
}

import { FormSelect, FormSelectOption } from "@patternfly/react-core/dist/esm/components/FormSelect/index.js";
import { useSyncExternalStore, type ReactNode } from "react";
import { session } from "../api/session.ts";
import { addressTo, menuOf, type Audience, type Entry, type Params, type Route } from "../model/routes.ts";
import type { Key } from "../texts/translate.ts";
import { Link } from "./Link.tsx";
import { go } from "./router.ts";
import { useTexts } from "./settings.ts";

function Block(props: { title?: Key; entries: readonly Entry[]; children?: ReactNode }): ReactNode {
  const { t } = useTexts();
  return (
    <>
      {props.title && <h2>{t(props.title)}</h2>}
      {props.children}
      <ul>
        {props.entries.map((entry) => (
          <li key={entry.page}><Link to={entry.address} isCurrent={entry.isCurrent}>{t(entry.title)}</Link></li>
        ))}
      </ul>
    </>
  );
}

/** The pages that there are for whoever is logged in. */
export function Menu(props: { route: Route; onGo?: () => void }): ReactNode {
  const { t } = useTexts();
  const who = useSyncExternalStore(session.subscribe, session.get);
  const clusters = who?.administers.map((each) => each.name) ?? [];
  const cluster = props.route.params["cluster"] ?? clusters[0] ?? "";
  const entries = (audience: Audience, params?: Params): Entry[] => menuOf(audience, props.route, params);
  return (
    <nav className="w-nav" aria-label={t("app.menu")} onClick={props.onGo}>
      <Block entries={entries("user")} />
      {clusters.length > 0 && (
        <Block title="menu.cluster" entries={entries("cluster", { cluster })}>
          {clusters.length > 1 && (
            <FormSelect aria-label={t("menu.cluster")} value={cluster}
              onClick={(event) => event.stopPropagation()}
              onChange={(_event, chosen) => go(addressTo("clusterMachines", { cluster: chosen }))}>
              {clusters.map((each) => <FormSelectOption key={each} value={each} label={each} />)}
            </FormSelect>
          )}
          {clusters.length === 1 && <p className="w-nav-one">{cluster}</p>}
        </Block>
      )}
      {who?.is_cloud_admin && <Block title="menu.cloud" entries={entries("cloud")} />}
    </nav>
  );
}

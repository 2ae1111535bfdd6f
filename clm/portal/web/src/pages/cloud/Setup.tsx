import { Label } from "@patternfly/react-core/dist/esm/components/Label/index.js";
import { Title } from "@patternfly/react-core/dist/esm/components/Title/index.js";
import { useEffect, useMemo, useSyncExternalStore, type ReactNode } from "react";
import { ofCloud, ofCluster, type Source } from "../../api/list.ts";
import { resume, session } from "../../api/session.ts";
import type { Cluster } from "../../api/wawel.ts";
import { addressTo, type Page } from "../../model/routes.ts";
import type { Key } from "../../texts/translate.ts";
import { Heading } from "../../ui/Heading.tsx";
import { Link } from "../../ui/Link.tsx";
import { useRows } from "../../ui/live.ts";
import { Problem } from "../../ui/Problem.tsx";
import { useTexts } from "../../ui/settings.ts";

const CLUSTERS = ofCloud("cloud.cluster.get_list", { kinds: ["", "cluster"], all: true });

interface Needed {
  title: Key;
  help: Key;
  page: Page;
  source: (cluster: string) => Source<unknown>;
}

/** What a cluster needs before machines can be made, in this order. */
const NEEDED: readonly Needed[] = [
  { title: "menu.nodes", help: "setup.node", page: "nodes", source: (cluster) => ofCluster("admin.node.get_list", cluster, { kinds: ["node"], all: true }) },
  { title: "menu.storages", help: "setup.storage", page: "storages", source: (cluster) => ofCluster("admin.storage.get_list", cluster, { kinds: ["storage"], all: true }) },
  { title: "menu.networks", help: "setup.network", page: "clusterNetworks", source: (cluster) => ofCluster("admin.network.get_list", cluster, { kinds: ["network"], all: true }) },
  { title: "menu.sizes", help: "setup.size", page: "sizes", source: (cluster) => ofCluster("admin.template.get_list", cluster, { kinds: ["template"], all: true }) },
  { title: "menu.images", help: "setup.image", page: "clusterImages", source: (cluster) => ofCluster("admin.system_image.get_list", cluster, { kinds: ["image"], all: true }) },
];

function Step(props: { title: Key; help: Key; to: string; is: boolean | undefined }): ReactNode {
  const { t } = useTexts();
  return (
    <li>
      <Link to={props.to}>{t(props.title)}</Link>{" "}
      {props.is !== undefined && <Label isCompact color={props.is ? "green" : "orange"}>{t(props.is ? "setup.there" : "setup.missing")}</Label>}
      <p className="w-quiet">{t(props.help)}</p>
    </li>
  );
}

function ClusterStep(props: { needed: Needed; cluster: string }): ReactNode {
  const { needed, cluster } = props;
  const { rows, came } = useRows(useMemo(() => needed.source(cluster), [needed, cluster]));
  return <Step title={needed.title} help={needed.help} to={addressTo(needed.page, { cluster })} is={came === true ? rows.length > 0 : undefined} />;
}

/** What a new cloud lacks before people can use it, and where each is made. */
export default function Setup(): ReactNode {
  const { t } = useTexts();
  const { rows, came, reload } = useRows<Cluster>(CLUSTERS);
  const who = useSyncExternalStore(session.subscribe, session.get);
  // What one administers was told at the log-in; a cluster that came since has pages, too.
  const isNew = rows.some((row) => !who?.administers.some((each) => each.name === row.name));
  useEffect(() => {
    if (isNew) void resume().catch(() => undefined);
  }, [isNew]);
  return (
    <>
      <Heading text={t("setup.title")} />
      <p>{t("setup.help")}</p>
      {came instanceof Error && <Problem error={came} retry={reload} />}
      <ol className="w-steps">
        <Step title="menu.clusters" help="setup.cluster" to={addressTo("clusters")} is={came === true ? rows.length > 0 : undefined} />
      </ol>
      {rows.map((cluster) => (
        <section key={cluster.uuid} aria-label={cluster.name}>
          <Title headingLevel="h2">{cluster.name}</Title>
          <ol className="w-steps">
            {NEEDED.map((needed) => <ClusterStep key={needed.page} needed={needed} cluster={cluster.name} />)}
          </ol>
        </section>
      ))}
    </>
  );
}

import { useMemo, type ReactNode } from "react";
import { ofCluster } from "../api/list.ts";
import { LEASE_COLUMNS, NETWORK_ACTIONS, NETWORKS, type Lease, type Network as Row } from "../kinds/networks.ts";
import { Actions } from "../ui/Actions.tsx";
import { AtOne } from "../ui/AtOne.tsx";
import { Facts } from "../ui/Facts.tsx";
import type { ListSpec } from "../ui/List.tsx";
import type { PageProps } from "../ui/Opened.tsx";
import { ListSection } from "../ui/lists.tsx";
import { Section } from "../ui/parts.tsx";
import { useTexts } from "../ui/settings.ts";

const LEASES: ListSpec<Lease> = {
  title: "networks.leases",
  columns: LEASE_COLUMNS,
  id: (row) => String(row.lease_id),
  name: (row) => row.address,
  none: ["networks.noLeases", "networks.noLeasesHelp"],
};

function Known({ row, reload }: { row: Row; reload: () => void }): ReactNode {
  const { t, time } = useTexts();
  const { network_id, cluster } = row;
  const source = useMemo(
    () => ofCluster("user.network.list_leases", cluster, { page: ["after", "lease_id"], kinds: ["", "network", "vm"] }, { network_id, used_only: true }),
    [network_id, cluster],
  );
  return (
    <>
      <Actions rows={[row]} name={(each) => each.name} actions={NETWORK_ACTIONS} done={reload} />
      <Section title="machine.overview">
        <Facts facts={[
          ["column.description", row.description],
          ["networks.range", [row.network, row.network6].filter(Boolean).join(", ")],
          ["column.gateway", [row.gateway, row.gateway6].filter(Boolean).join(", ")],
          ["column.dns", row.dns],
          ["column.domain", row.domain],
          ["networks.used", t("networks.usedOf", { used: row.leases_used, of: row.leases })],
          ["column.cluster", cluster],
          ["column.created", time(row.created)],
          ["column.uuid", row.uuid],
        ]} />
      </Section>
      <ListSection source={source} spec={LEASES} />
    </>
  );
}

export default function Network({ params }: PageProps): ReactNode {
  return <AtOne source={NETWORKS} uuid={params["uuid"] ?? ""}>{(row, reload) => <Known row={row} reload={reload} />}</AtOne>;
}

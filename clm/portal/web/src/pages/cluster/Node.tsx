import { Alert } from "@patternfly/react-core/dist/esm/components/Alert/index.js";
import { useMemo, type ReactNode } from "react";
import { ofCluster } from "../../api/list.ts";
import { NODE_ACTIONS, type Node as Row } from "../../kinds/nodes.ts";
import { isMigrating, isOpen, STOP_EVACUATION, type Work } from "../../kinds/operations.ts";
import { word } from "../../texts/translate.ts";
import { Actions } from "../../ui/Actions.tsx";
import { AtOne } from "../../ui/AtOne.tsx";
import { Status } from "../../ui/columns.tsx";
import { Facts } from "../../ui/Facts.tsx";
import { useRows } from "../../ui/live.ts";
import { OfNode } from "../../ui/Measured.tsx";
import { Moves } from "../../ui/Moves.tsx";
import type { PageProps } from "../../ui/Opened.tsx";
import { Section } from "../../ui/parts.tsx";
import { useTexts } from "../../ui/settings.ts";
import { useWork, WorkSection } from "../../ui/Work.tsx";

interface EvacuationProps {
  rows: readonly Work[];
  node: Row;
  /** Something of it was ended, of which the stream may tell nothing. */
  done: () => void;
}

/** Guests that leave a node and go on: each by its name, which the node's machines tell. */
function Leaving({ rows, node, done }: EvacuationProps): ReactNode {
  const { node_id, cluster } = node;
  const source = useMemo(() => ofCluster("admin.vm.get_list", cluster, { kinds: ["vm"], all: true }, { node_id }), [cluster, node_id]);
  const there = useRows(source).rows;
  const names = useMemo(() => new Map(there.map((vm) => [vm.vm_id, vm.name])), [there]);
  return <Moves rows={rows} names={names} done={done} />;
}

/** An evacuation that is under way: how many of its moves are done, how far those are in which guests go on, and an end to it. */
function Evacuation({ rows, node, done }: EvacuationProps): ReactNode {
  const { t } = useTexts();
  const whole = rows.find((row) => row.kind === "node_evacuate" && isOpen(row));
  const moves = rows.filter((row) => whole && row.parent_id === whole.operation_id);
  const moved = moves.filter((row) => !isOpen(row)).length;
  return (
    <>
      {whole && (
        <>
          <p role="status">{t("nodes.evacuating", { done: moved, of: moves.length })}</p>
          <progress className="w-bar" max={Math.max(moves.length, 1)} value={moved} aria-label={t("nodes.evacuate")} />
          <Actions rows={[whole]} name={() => node.name} actions={STOP_EVACUATION} done={done} />
        </>
      )}
      {rows.some(isMigrating) && <Leaving rows={rows} node={node} done={done} />}
    </>
  );
}

function Known({ row, reload }: { row: Row; reload: () => void }): ReactNode {
  const { t, memory, time } = useTexts();
  const { node_id, cluster } = row;
  const work = useWork("admin", cluster, "node_id", node_id);
  return (
    <>
      <div className="w-heading">
        <Status group="nodeState" value={row.state} /><Status group="nodeHealth" value={row.health} />
        {row.locked && <Status group="nodeMode" value={row.mode} />}
      </div>
      {row.mode_reason && <Alert component="p" variant="info" isInline title={row.mode_reason} />}
      {row.state_reason && <Alert component="p" variant="warning" isInline title={row.state_reason} />}
      {row.troubles.map((trouble) => (
        <Alert component="p" key={trouble.code + trouble.text} variant={trouble.blocks ? "danger" : "warning"} isInline title={trouble.text} />
      ))}
      <Actions rows={[row]} name={(each) => each.name} actions={NODE_ACTIONS} done={() => {
        reload();
        work.reload();
      }} />
      <Evacuation rows={work.rows} node={row} done={work.reload} />
      <Section title="machine.overview">
        <Facts facts={[
          ["column.description", row.comment], ["column.address", row.address], ["nodes.uri", row.uri],
          ["column.cpu", t("quota.usedOf", { used: row.cpu_used, of: row.cpu_total })],
          ["column.memory", t("quota.usedOf", { used: memory(row.memory_mib_used), of: memory(row.memory_mib_total) })],
          ["machines.title", String(row.vms_used)],
          ["nodes.hypervisor", [row.info.hypervisor, row.info.hypervisor_version].filter(Boolean).join(" ")],
          ["nodes.cpuModel", row.info.cpu_model],
          ["column.traits", row.traits.join(", ")],
          ["nodes.modeSince", row.locked && row.mode_since && [time(row.mode_since), row.mode_by].filter(Boolean).join(", ")],
          ["menu.storages", row.storages.map((each) => `${each.name} (${word(t, "attachState", each.state)})`).join(", ")],
          ["nodes.seen", row.seen_at && time(row.seen_at)], ["nodes.agentSeen", row.agent_seen_at && time(row.agent_seen_at)], ["column.uuid", row.uuid],
        ]} />
      </Section>
      <OfNode node_id={node_id} cluster={cluster} />
      <WorkSection front="admin" data={work} />
    </>
  );
}

export default function Node({ params }: PageProps): ReactNode {
  return (
    <AtOne source={ofCluster("admin.node.get_list", params["cluster"] ?? "", { kinds: ["node"], all: true })} uuid={params["uuid"] ?? ""}>
      {(row, reload) => <Known row={row} reload={reload} />}
    </AtOne>
  );
}

// The pictures of a machine's and a node's page.
import { useEffect, useMemo, useSyncExternalStore, type ReactNode } from "react";
import { ahead } from "../api/clock.ts";
import type { NodeMetric, VMMetric } from "../api/wawel.ts";
import type { Key } from "../texts/translate.ts";
import { useAnswer } from "./live.ts";
import { Section } from "./parts.tsx";
import { Plot, SPANS, useSpan, type Series, type Span } from "./Plot.tsx";
import { Problem } from "./Problem.tsx";
import { useTexts } from "./settings.ts";

const AGAIN_MS = 60_000;
const VM: readonly (readonly [Key, readonly VMMetric[]])[] = [
  ["plot.cpu", ["cpu"]], ["plot.memory", ["memory", "memory_available"]],
  ["plot.disks", ["read_bytes", "write_bytes"]], ["plot.network", ["rx_bytes", "tx_bytes"]],
];
const NODE: readonly (readonly [Key, readonly NodeMetric[]])[] = [
  ["plot.cpu", ["cpu"]], ["plot.memory", ["memory_used", "memory"]], ["plot.load", ["load_1", "load_15"]], ["machines.title", ["vms"]],
];

function Pictures(props: { groups: readonly (readonly [Key, readonly string[]])[]; series: readonly Series[] | undefined; span: ReactNode }): ReactNode {
  const { t } = useTexts();
  const { series } = props;
  return (
    <Section title="plot.title" beside={props.span}>
      {series?.length === 0 && <p>{t("plot.none")}</p>}
      {series && (
        <div className="w-plots">
          {props.groups.map(([title, metrics]) => (
            <Plot key={title} title={title} series={metrics.flatMap((metric) => series.filter((each) => each.metric === metric))} />
          ))}
        </div>
      )}
    </Section>
  );
}

/** When it is looked from, by the server's clock; the same until something else is chosen. */
function useSince(span: Span): number {
  const off = useSyncExternalStore(ahead.subscribe, ahead.get);
  return useMemo(() => Math.floor((Date.now() + off) / 1000) - SPANS[span], [span, off]);
}

function useAgain(reload: () => void): void {
  useEffect(() => {
    const timer = setInterval(reload, AGAIN_MS);
    return () => clearInterval(timer);
  }, [reload]);
}

export function OfMachine({ vm_id, cluster }: { vm_id: number; cluster: string }): ReactNode {
  const [span, choice] = useSpan();
  const metrics = useMemo(() => VM.flatMap(([, each]) => each), []);
  const { value, error, reload } = useAnswer("user.vm.statistics", { vm_ids: [vm_id], cluster, metrics, since: useSince(span) });
  useAgain(reload);
  if (error) return <Problem error={error} retry={reload} />;
  return <Pictures groups={VM} series={value?.[0]?.series} span={choice} />;
}

export function OfNode({ node_id, cluster }: { node_id: number; cluster: string }): ReactNode {
  const [span, choice] = useSpan();
  const { value, error, reload } = useAnswer("admin.node.statistics", { node_ids: [node_id], cluster, since: useSince(span) });
  useAgain(reload);
  if (error) return <Problem error={error} retry={reload} />;
  return <Pictures groups={NODE} series={value?.[0]?.series} span={choice} />;
}

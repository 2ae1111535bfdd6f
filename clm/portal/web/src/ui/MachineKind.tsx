import { useMemo, type ReactNode } from "react";
import type { Machine } from "../api/cloud.ts";
import { ask } from "../api/request.ts";
import type { CpuModel, Firmware, MachineType, VMDetail } from "../api/wawel.ts";
import { KIND_FIELDS, MOST_FIELDS } from "../kinds/machineKind.ts";
import { numberOf, textOf } from "../model/form.ts";
import { may } from "../model/machines.ts";
import "../texts/templated.ts";
import { Facts } from "./Facts.tsx";
import { Make, Section, type Making } from "./parts.tsx";
import { useTexts } from "./settings.ts";

const makings = ({ vm_id, cluster }: Machine, detail: VMDetail): readonly Making[] => [
  {
    key: "machine-kind", title: "machineOf.change", help: "machineOf.changeHelp",
    fields: KIND_FIELDS.map((field) => ({ ...field, isRequired: true, initial: String(detail[field.name]) })),
    request: (values) =>
      ask("user.vm.edit", {
        vm_id, cluster, firmware: textOf(values, "firmware") as Firmware, machine: textOf(values, "machine") as MachineType,
        cpu_model: textOf(values, "cpu_model") as CpuModel, boot_menu_s: numberOf(values, "boot_menu_s") ?? 0,
      }),
  },
  {
    key: "machine-most", title: "machineOf.prepare", help: "machineOf.prepareHelp",
    fields: MOST_FIELDS.map((field) => ({ ...field, initial: String(detail[field.name] || "") })),
    request: (values) =>
      ask("user.vm.resize", {
        vm_id, cluster, template_id: detail.template_id, max_cpu: numberOf(values, "max_cpu") ?? null, max_memory_mib: numberOf(values, "max_memory_mib") ?? null,
      }),
  },
];

/** What machine its guest finds, and how large it may become while it runs; changed while it is stopped. */
export function MachineKind({ machine, detail, reload }: { machine: Machine; detail: VMDetail; reload: () => void }): ReactNode {
  const { t, memory, number } = useTexts();
  const all = useMemo(() => makings(machine, detail), [machine, detail]);
  const most = [detail.max_cpu && t("count.cpu", { n: detail.max_cpu }), detail.max_memory_mib && memory(detail.max_memory_mib)].filter(Boolean).join(", ");
  const isOpen = machine.state === "stopped" && may("resize", machine);
  return (
    <Section title="machineOf.title" beside={isOpen && all.map((making) => <Make key={making.key} making={making} done={reload} />)}>
      <Facts facts={[
        ["templates.firmware", detail.firmware], ["templates.machine", detail.machine], ["templates.cpuModel", detail.cpu_model],
        ["templates.bootMenu", detail.boot_menu_s ? number(detail.boot_menu_s) : ""],
        ["machineOf.most", most || t("machineOf.notPrepared")],
      ]} />
    </Section>
  );
}

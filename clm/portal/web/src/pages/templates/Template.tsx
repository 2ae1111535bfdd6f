import type { ReactNode } from "react";
import type { Rows } from "../../api/live.ts";
import type { TemplateField } from "../../api/wawel.ts";
import { TEMPLATE_ACTIONS, TEMPLATES, type VMTemplate as Row } from "../../kinds/templates.ts";
import { addressTo } from "../../model/routes.ts";
import { chainOf, childrenOf, gibOf, linesOf } from "../../model/templates.ts";
import "../../texts/templated.ts";
import type { Key } from "../../texts/translate.ts";
import { Access } from "../../ui/Access.tsx";
import { Actions } from "../../ui/Actions.tsx";
import { AtOne } from "../../ui/AtOne.tsx";
import { Facts } from "../../ui/Facts.tsx";
import { Link } from "../../ui/Link.tsx";
import { useAnswer } from "../../ui/live.ts";
import type { PageProps } from "../../ui/Opened.tsx";
import { Section } from "../../ui/parts.tsx";
import { useTexts } from "../../ui/settings.ts";

/** What images and networks are called, as far as the reader sees them. */
function useNames(cluster: string): { image: (id: number) => string; network: (id: number) => string } {
  const { value: images } = useAnswer("user.system_image.get_list", { cluster });
  const { value: isos } = useAnswer("user.iso_image.get_list", { cluster });
  const { value: networks } = useAnswer("user.network.list_user_networks", { cluster });
  const all = [images, isos].flatMap((each) => (Array.isArray(each) ? each : []));
  // By its number, what is not the reader's to see.
  return {
    image: (id) => all.find((each) => each.image_id === id)?.name ?? (images && isos ? `#${id}` : "…"),
    network: (id) => networks?.find((each) => each.network_id === id)?.name ?? (networks ? `#${id}` : "…"),
  };
}

function Installed({ row }: { row: Row }): ReactNode {
  const { t, number, time } = useTexts();
  const { image, network } = useNames(row.cluster);
  const { effective } = row;
  const shown: Record<TemplateField, string> = {
    image_id: effective.image_id === null ? "" : image(effective.image_id),
    iso_list: effective.iso_list.map(image).join(", "),
    new_disks: gibOf(effective.new_disks),
    networks: effective.networks.map(network).join(", "),
    system: effective.system ?? "",
    access_method: effective.access_method ?? "",
    has_agent: effective.has_agent === null ? "" : t(effective.has_agent ? "list.yes" : "list.no"),
    firmware: effective.firmware ?? "",
    machine: effective.machine ?? "",
    cpu_model: effective.cpu_model ?? "",
    boot_menu_s: effective.boot_menu_s === null ? "" : number(effective.boot_menu_s),
    traits: effective.traits.join(", "),
    tags: linesOf(effective.tags).replaceAll("\n", ", "),
  };
  // What it leaves open, and has all the same, it has of one that it is made of.
  const fact = (name: TemplateField, title: Key): readonly [Key, string] =>
    [title, shown[name] && row[name] === null ? t("templates.ofParent", { value: shown[name] }) : shown[name]];
  return (
    <Section title="machine.overview">
      <Facts facts={[
        ["column.description", row.description],
        fact("image_id", "column.image"), fact("iso_list", "templates.isos"), fact("new_disks", "templates.newDisks"), fact("networks", "menu.networks"),
        fact("system", "templates.system"), fact("access_method", "templates.method"), fact("has_agent", "templates.agent"),
        fact("firmware", "templates.firmware"), fact("machine", "templates.machine"), fact("cpu_model", "templates.cpuModel"), fact("boot_menu_s", "templates.bootMenu"),
        fact("traits", "templates.traits"), fact("tags", "templates.tags"),
        ["column.owner", row.user_login],
        ["column.cluster", row.cluster],
        ["column.created", time(row.created)],
        ["column.uuid", row.uuid],
      ]} />
    </Section>
  );
}

function Family({ row, all }: { row: Row; all: Rows<Row>["rows"] }): ReactNode {
  const { t } = useTexts();
  const chain = chainOf(row, all);
  const children = childrenOf(row, all);
  const way = (each: Row): ReactNode => <Link to={addressTo("vmTemplate", { uuid: each.uuid })}>{each.name}</Link>;
  return (
    <>
      {chain.length > 0 && (
        <Section title="templates.chain">
          <ol>{chain.map((each) => (typeof each === "number" ? <li key={each}>{t("templates.unseen", { id: String(each) })}</li> : <li key={each.uuid}>{way(each)}</li>))}</ol>
        </Section>
      )}
      {children.length > 0 && (
        <Section title="templates.children"><ul>{children.map((each) => <li key={each.uuid}>{way(each)}</li>)}</ul></Section>
      )}
    </>
  );
}

export default function Template({ params }: PageProps): ReactNode {
  return (
    <AtOne source={TEMPLATES} uuid={params["uuid"] ?? ""}>
      {(row, reload, rows) => (
        <>
          <Actions rows={[row]} name={(each) => each.name} actions={TEMPLATE_ACTIONS} done={reload} />
          <Installed row={row} />
          <Family row={row} all={rows} />
          {row.access === "owner" && <Access kind="vm_template" object_id={row.vm_template_id} cluster={row.cluster} />}
        </>
      )}
    </AtOne>
  );
}

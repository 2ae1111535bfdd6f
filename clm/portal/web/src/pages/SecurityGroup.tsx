import { useMemo, type ReactNode } from "react";
import { securityOptions } from "../api/options.ts";
import { ask } from "../api/request.ts";
import type { RuleDirection, SecurityRule } from "../api/wawel.ts";
import { SECURITY_ACTIONS, SECURITY_GROUPS, type SecurityGroup as Row } from "../kinds/security.ts";
import { plainly } from "../model/fields.ts";
import { given, numberOf, textOf } from "../model/form.ts";
import { Actions } from "../ui/Actions.tsx";
import { AtOne } from "../ui/AtOne.tsx";
import { columns } from "../ui/columns.tsx";
import { Facts } from "../ui/Facts.tsx";
import { List, type ListSpec } from "../ui/List.tsx";
import type { PageProps } from "../ui/Opened.tsx";
import { Make, Section, type Making } from "../ui/parts.tsx";
import { useTexts } from "../ui/settings.ts";

const c = columns<SecurityRule>();
const remoteOf = (rule: SecurityRule): string => (rule.remote_group_id === null ? (rule.remote ?? "") : String(rule.remote_group_id));

function rulesOf({ security_group_id, cluster }: Row): ListSpec<SecurityRule> {
  return {
    title: "security.rules",
    columns: [
      c.word("direction", "security.direction", "direction"),
      c.text("protocol", "column.protocol"),
      c.of("ports", "security.ports", (rule) => rule.ports, { show: (rule, { t }) => rule.ports ?? t("security.allPorts") }),
      c.of("remote", "security.remote", remoteOf, {
        show: (rule, { t }) => (rule.remote_group_id !== null ? t("security.ofGroup", { id: rule.remote_group_id }) : (rule.remote ?? t("security.anywhere"))),
      }),
    ],
    id: (rule) => String(rule.rule_id),
    name: (rule) => [rule.direction, rule.protocol, rule.ports, remoteOf(rule)].filter(Boolean).join(" "),
    actions: [{
      key: "remove", title: "action.remove", isDanger: true, confirm: { title: "confirm.delete", help: "security.removeHelp" },
      request: ({ rule_id }) => ask("user.security_group.remove_rule", { cluster, security_group_id, rule_id }),
    }],
    none: ["security.noRules", "security.noRulesHelp"],
  };
}

const addRule = ({ security_group_id, cluster }: Row): Making => ({
  key: "add-rule",
  title: "security.addRule",
  fields: [
    { name: "direction", label: "security.direction", as: "select", isRequired: true, initial: "in", options: [{ value: "in", title: "direction.in" }, { value: "out", title: "direction.out" }] },
    { name: "protocol", label: "column.protocol", as: "select", isRequired: true, initial: "tcp", options: plainly(["tcp", "udp", "icmp", "any"]) },
    { name: "ports", label: "security.ports", help: "security.portsHelp", isShown: (values) => ["tcp", "udp"].includes(String(values["protocol"])) },
    { name: "with", label: "security.remote", as: "select", isRequired: true, initial: "any", options: [
      { value: "any", title: "security.anywhere" }, { value: "range", title: "security.range" }, { value: "group", title: "security.aGroup" },
    ] },
    { name: "remote", label: "security.range", help: "security.rangeHelp", isRequired: true, isShown: (values) => values["with"] === "range" },
    { name: "remote_group_id", label: "security.aGroup", as: "select", isRequired: true, options: securityOptions(cluster), isShown: (values) => values["with"] === "group" },
  ],
  request: (values) =>
    ask("user.security_group.add_rule", {
      cluster, security_group_id, direction: textOf(values, "direction") as RuleDirection, protocol: textOf(values, "protocol"),
      ...(["tcp", "udp"].includes(textOf(values, "protocol")) && given(values, "ports")),
      ...(values["with"] === "range" && given(values, "remote")),
      ...(values["with"] === "group" && { remote_group_id: numberOf(values, "remote_group_id") ?? null }),
    }),
});

function Known({ row, reload }: { row: Row; reload: () => void }): ReactNode {
  const { time } = useTexts();
  const spec = useMemo(() => rulesOf(row), [row]);
  const making = useMemo(() => addRule(row), [row]);
  return (
    <>
      <Actions rows={[row]} name={(each) => each.name} actions={SECURITY_ACTIONS} done={reload} />
      <Section title="security.rules" beside={<Make making={making} done={reload} />}>
        <List spec={spec} data={{ rows: row.rules, came: true, missing: [], reload }} isPart />
      </Section>
      <Section title="machine.overview">
        <Facts facts={[
          ["column.description", row.description], ["security.nics", String(row.nics)], ["column.cluster", row.cluster],
          ["column.created", time(row.created)], ["column.uuid", row.uuid],
        ]} />
      </Section>
    </>
  );
}

export default function SecurityGroup({ params }: PageProps): ReactNode {
  return <AtOne source={SECURITY_GROUPS} uuid={params["uuid"] ?? ""}>{(row, reload) => <Known row={row} reload={reload} />}</AtOne>;
}

import { Spinner } from "@patternfly/react-core/dist/esm/components/Spinner/index.js";
import { useMemo, type ReactNode } from "react";
import { ofCloud } from "../api/list.ts";
import { ask } from "../api/request.ts";
import type { GroupPerson } from "../api/wawel.ts";
import { GROUP_ACTIONS, GROUPS, leads, type Group as Row } from "../kinds/groups.ts";
import type { Action } from "../model/action.ts";
import { Actions } from "../ui/Actions.tsx";
import { columns, Status } from "../ui/columns.tsx";
import { Facts } from "../ui/Facts.tsx";
import { Heading } from "../ui/Heading.tsx";
import type { ListSpec } from "../ui/List.tsx";
import { useRows } from "../ui/live.ts";
import type { PageProps } from "../ui/Opened.tsx";
import { ListSection } from "../ui/lists.tsx";
import { Section } from "../ui/parts.tsx";
import { Problem } from "../ui/Problem.tsx";
import { useTexts } from "../ui/settings.ts";

const c = columns<GroupPerson>();
const PEOPLE: Omit<ListSpec<GroupPerson>, "title" | "none" | "actions"> = {
  columns: [c.text("login", "column.login"), c.text("name", "column.name")],
  id: (row) => String(row.user_id),
  name: (row) => row.login,
};

function members(row: Row): ListSpec<GroupPerson> {
  const { group_id } = row;
  const isOther = (person: GroupPerson): boolean => person.user_id !== row.leader_id;
  const actions: readonly Action<GroupPerson>[] = [
    {
      key: "remove", title: "groups.remove", isDanger: true, may: isOther, confirm: { title: "groups.removeAsk", help: "groups.removeHelp" },
      request: ({ user_id }) => ask("user.group.delete_user", { group_id, user_id }),
    },
    {
      key: "lead", title: "groups.lead", may: isOther, confirm: { title: "groups.leadAsk", help: "groups.leadHelp" },
      request: ({ user_id }) => ask("user.group.change_owner", { group_id, user_id }),
    },
  ];
  return { ...PEOPLE, title: "groups.members", none: ["groups.noMembers", "groups.noMembersHelp"], ...(leads(row) && { actions }) };
}

const requests = ({ group_id }: Row): ListSpec<GroupPerson> => ({
  ...PEOPLE,
  title: "groups.requests",
  none: ["groups.noRequests", "groups.noRequestsHelp"],
  actions: [
    { key: "accept", title: "groups.accept", request: ({ user_id }) => ask("user.group.activate_user", { group_id, user_id }) },
    {
      key: "reject", title: "groups.reject", isDanger: true, confirm: { title: "groups.rejectAsk", help: "groups.rejectHelp" },
      request: ({ user_id }) => ask("user.group.delete_user", { group_id, user_id }),
    },
  ],
});

function Known({ row, reload }: { row: Row; reload: () => void }): ReactNode {
  const { time } = useTexts();
  const { group_id } = row;
  const lists = useMemo(
    () => ({
      members: ofCloud("user.group.list_members", { kinds: ["", "group"] }, { group_id }),
      requests: ofCloud("user.group.list_requests", { kinds: ["", "group"] }, { group_id }),
    }),
    [group_id],
  );
  const specs = useMemo(() => ({ members: members(row), requests: requests(row) }), [row]);
  return (
    <>
      <Heading text={row.name}><Status group="groupStatus" value={row.status} /></Heading>
      <Actions rows={[row]} name={(each) => each.name} actions={GROUP_ACTIONS} done={reload} />
      <Section title="machine.overview">
        <Facts facts={[
          ["column.description", row.description], ["groups.leader", row.leader_name || row.leader], ["groups.members", String(row.members)],
          ["column.created", time(row.created)],
        ]} />
      </Section>
      {row.status === "member" && <ListSection source={lists.members} spec={specs.members} />}
      {leads(row) && <ListSection source={lists.requests} spec={specs.requests} />}
    </>
  );
}

export default function Group({ params }: PageProps): ReactNode {
  const { t } = useTexts();
  const { rows, came, reload } = useRows(GROUPS);
  const row = rows.find((each) => String(each.group_id) === params["id"]);
  if (row) return <Known row={row} reload={reload} />;
  return (
    <>
      <Heading text={t(came === true ? "one.gone" : "one.title")} />
      {came instanceof Error && <Problem error={came} retry={reload} />}
      {came === false && <Spinner aria-label={t("app.loading")} />}
      {came === true && <p>{t("one.goneHelp")}</p>}
    </>
  );
}

import { Content } from "@patternfly/react-core/dist/esm/components/Content/index.js";
import type { ReactNode } from "react";
import adminEn from "../../../../../docs/guide/admin.en.md";
import adminPl from "../../../../../docs/guide/admin.pl.md";
import userEn from "../../../../../docs/guide/user.en.md";
import userPl from "../../../../../docs/guide/user.pl.md";
import type { Block, Inline } from "../model/markdown.ts";
import type { Language } from "../texts/translate.ts";
import { Heading } from "../ui/Heading.tsx";
import { Tabs } from "../ui/parts.tsx";
import { useTexts } from "../ui/settings.ts";

type Guide = "user" | "admin";
const GUIDES: Record<Guide, Record<Language, readonly Block[]>> = {
  user: { en: userEn, pl: userPl }, admin: { en: adminEn, pl: adminPl },
};

function Words(props: { text: readonly Inline[] }): ReactNode {
  return props.text.map((part, index) => {
    if (typeof part === "string") return part;
    const Is = part.is;
    return <Is key={index}>{part.text}</Is>;
  });
}

function Part({ block }: { block: Block }): ReactNode {
  if (block.is === "heading") return block.level === 1 ? null : <h2 id={block.id}>{block.text}</h2>;
  if (block.is === "paragraph") return <p><Words text={block.text} /></p>;
  if (block.is === "list") {
    const Is = block.ordered ? "ol" : "ul";
    return <Is>{block.items.map((item, index) => <li key={index}><Words text={item} /></li>)}</Is>;
  }
  return (
    <table>
      <thead><tr>{block.head.map((cell, index) => <th key={index} scope="col"><Words text={cell} /></th>)}</tr></thead>
      <tbody>
        {block.rows.map((row, index) => <tr key={index}>{row.map((cell, at) => <td key={at}><Words text={cell} /></td>)}</tr>)}
      </tbody>
    </table>
  );
}

/** A guide of docs/guide, as it was read when the portal was built. */
export function GuidePage(props: { guide: Guide }): ReactNode {
  const { t, language } = useTexts();
  const guide = GUIDES[props.guide][language];
  const title = guide.find((block) => block.is === "heading");
  return (
    <>
      <Heading text={title?.is === "heading" ? title.text : t("menu.help")} />
      <Tabs label="menu.help" tabs={[["help", "help.user"], ["helpAdmin", "help.admin"], ["contact", "contact.title"]]} />
      <Content className="w-guide">{guide.map((block, index) => <Part key={index} block={block} />)}</Content>
    </>
  );
}

export default function Help(): ReactNode {
  return <GuidePage guide="user" />;
}

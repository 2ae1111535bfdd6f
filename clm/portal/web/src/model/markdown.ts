// The guides' Markdown as a tree that pages show by elements of their own: read when the portal is built. What is not one of
// these forms does not build, so that nothing is shown half, and no text is ever markup.
export type Inline = string | { is: "strong" | "em" | "code"; text: string };
export type Block =
  | { is: "heading"; level: 1 | 2; text: string; id: string }
  | { is: "paragraph"; text: Inline[] }
  | { is: "list"; ordered: boolean; items: Inline[][] }
  | { is: "table"; head: Inline[][]; rows: Inline[][][] };

const SPAN = /\*\*([^*]+)\*\*|\*([^*\s][^*]*)\*|`([^`]+)`/g;
const ITEM = /^(?:- |\d+\. )/;
/** Other Markdown, or markup. */
const OTHER = /<\/?[a-z!]|\]\(|^\s*(?:#{3,}|>|```|\* )|[*`]/i;

function plain(text: string): string {
  if (OTHER.test(text)) throw new Error(`no form that the guides have: ${text}`);
  return text;
}

export function inlines(text: string): Inline[] {
  const found: Inline[] = [];
  let at = 0;
  for (const match of text.matchAll(SPAN)) {
    if (match.index > at) found.push(plain(text.slice(at, match.index)));
    const [whole, strong, em, code] = match;
    found.push(strong ? { is: "strong", text: strong } : em ? { is: "em", text: em } : { is: "code", text: code ?? "" });
    at = match.index + whole.length;
  }
  if (at < text.length) found.push(plain(text.slice(at)));
  return found;
}

const cells = (line: string): Inline[][] => line.split("|").slice(1, -1).map((cell) => inlines(cell.trim()));

function table(lines: readonly string[]): Block {
  const [head, rule, ...rows] = lines;
  if (!head || !rule || !/^\|(?:-+\|)+$/.test(rule)) throw new Error(`no table: ${lines.join(" ")}`);
  return { is: "table", head: cells(head), rows: rows.map(cells) };
}

function list(lines: readonly string[]): Block {
  const items: string[] = [];
  for (const line of lines) {
    if (ITEM.test(line)) items.push(line.replace(ITEM, ""));
    else items.push(`${items.pop() ?? ""} ${line.trim()}`);
  }
  return { is: "list", ordered: /^\d/.test(lines[0] ?? ""), items: items.map(inlines) };
}

const idOf = (text: string): string =>
  text.toLowerCase().normalize("NFKD").replace(/\p{M}/gu, "").replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "");

/** @throws {Error} there is something that pages could not show. */
export function blocks(text: string): Block[] {
  return text.trim().split(/\n{2,}/).map((part): Block => {
    const lines = part.split("\n");
    const first = lines[0] ?? "";
    const heading = /^(#{1,2}) (.+)$/.exec(first);
    if (heading && lines.length === 1) {
      const words = plain(heading[2] ?? "");
      return { is: "heading", level: heading[1] === "#" ? 1 : 2, text: words, id: idOf(words) };
    }
    if (first.startsWith("|")) return table(lines);
    if (ITEM.test(first)) return list(lines);
    return { is: "paragraph", text: inlines(lines.join(" ")) };
  });
}

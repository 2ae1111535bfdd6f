// What help pages are made of, and whether the guides speak of what there is.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { consoleEn } from "../console/texts.en.ts";
import { consolePl } from "../console/texts.pl.ts";
import { en } from "../texts/en.ts";
import { pl } from "../texts/pl.ts";
import { admin as adminEn } from "../texts/admin.en.ts";
import { admin as adminPl } from "../texts/admin.pl.ts";
import { farms as farmsEn } from "../texts/farms.en.ts";
import { farms as farmsPl } from "../texts/farms.pl.ts";
import { hosts as hostsEn } from "../texts/hosts.en.ts";
import { hosts as hostsPl } from "../texts/hosts.pl.ts";
import { jobs as jobsEn } from "../texts/jobs.en.ts";
import { jobs as jobsPl } from "../texts/jobs.pl.ts";
import { pages as pagesEn } from "../texts/pages.en.ts";
import { pages as pagesPl } from "../texts/pages.pl.ts";
import { people as peopleEn } from "../texts/people.en.ts";
import { people as peoplePl } from "../texts/people.pl.ts";
import { templates as templatesEn } from "../texts/templates.en.ts";
import { templates as templatesPl } from "../texts/templates.pl.ts";
import { blocks, inlines, type Block, type Inline } from "./markdown.ts";
import { begunOf, matches } from "./oidc.ts";
import { why } from "./reasons.ts";
import "../texts/more.ts";
import { translator } from "../texts/translate.ts";

const TEXTS: Record<string, object[]> = { en: [en, adminEn, hostsEn, pagesEn, peopleEn, consoleEn, templatesEn, farmsEn, jobsEn], pl: [pl, adminPl, hostsPl, pagesPl, peoplePl, consolePl, templatesPl, farmsPl, jobsPl] };

function* spoken(all: readonly Block[]): Generator<Inline> {
  for (const block of all) {
    if (block.is === "paragraph") yield* block.text;
    if (block.is === "list") yield* block.items.flat();
    if (block.is === "table") yield* [...block.head, ...block.rows.flat()].flat();
  }
}

test("forms are read as what they are, and text is never more than text", () => {
  const read = blocks("# Title\n\nOne *Stop*\nand `wawel ls`.\n\n- first\n- **second**\n  line\n\n1. one\n\n| a | b |\n|---|---|\n| c | *d* |\n");
  assert.deepEqual(read.map((block) => block.is), ["heading", "paragraph", "list", "list", "table"]);
  assert.deepEqual(read[1], { is: "paragraph", text: ["One ", { is: "em", text: "Stop" }, " and ", { is: "code", text: "wawel ls" }, "."] });
  assert.deepEqual(inlines("1 < 2 & 3"), ["1 < 2 & 3"]);
  for (const other of ["<img src=x>", "[a](http://b)", "### deep", "> quoted", "a `b", "**a", "| a |\n| b |"]) {
    assert.throws(() => blocks(other), Error, other);
  }
});

for (const guide of ["user", "admin"]) {
  test(`the guide "${guide}" has the same parts in each language, and names what pages call so`, () => {
    const parts = ["en", "pl"].map((language) => {
      const text = readFileSync(new URL(`../../../../../docs/guide/${guide}.${language}.md`, import.meta.url), "utf8");
      const read = blocks(text);
      const known = new Set((TEXTS[language] ?? []).flatMap((texts) => Object.values(texts) as unknown[]).filter((each) => typeof each === "string"));
      for (const each of spoken(read)) {
        if (typeof each !== "string" && each.is === "em") assert.ok(known.has(each.text), `${language}: no page says "${each.text}"`);
      }
      return read.map((block) => block.is).join(" ");
    });
    assert.equal(parts[0], parts[1]);
  });
}

test("a login that another window began is not finished here", () => {
  assert.equal(begunOf(null), undefined);
  assert.equal(begunOf("{"), undefined);
  assert.equal(begunOf('{"state":"","to":"/ui/"}'), undefined);
  const begun = begunOf('{"state":"abc","to":"https://elsewhere.example/"}');
  assert.deepEqual(begun, { state: "abc", to: "/ui/" });
  assert.equal(begunOf('{"state":"abc","to":"/ui/disks?search=a"}')?.to, "/ui/disks?search=a");
  assert.ok(begun && matches(begun, "abc") && !matches(begun, "abd") && !matches(begun, null));
});

test("a reason is said in the reader's words", () => {
  const t = translator("en");
  const of = (slug: string, fields: Record<string, unknown>): string => why(t, { slug, message: "as told", fields });
  assert.equal(of("vm_wrong_state", { state: "stopped" }), "This machine is stopped.");
  assert.equal(of("vm_busy", { kind: "vm_stop" }), "Under way: stop machine. It has to end first.");
  assert.equal(of("access_needed", { needs: "owner" }), "This is for whoever owns it.");
  assert.equal(
    of("quota_reached", { resource: "memory_mib", limit: 1024, used: 768, asked: 384 }),
    "The quota of memory in MiB is 1,024; 768 are in use, and 384 more are needed.",
  );
  assert.equal(of("quota_reached", { resource: "buckets", limit: 1, used: 1, asked: 1 }), "The quota of buckets is 1; 1 are in use, and 1 more are needed.");
  assert.equal(of("no_capacity", { reason: "1 node: not enough memory" }), "No node can take this machine now: 1 node: not enough memory.");
  const needs = { resource: "disk_bytes", least: 2 ** 30, given: 2 ** 29 };
  assert.equal(of("image_needs_more", needs), "Its image needs at least 1,024 MiB of disk; this would be 512.");
  assert.equal(of("something_new", {}), "as told");
});

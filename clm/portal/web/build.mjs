// Bundle src/ into the directory that is named: hashed names, gzip beside each file, index.html, licences. It fails above
// the budgets, in bytes after gzip: what the login page takes, what the machines' list adds, and any other page.
import { build } from "esbuild";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";
import { blocks } from "./src/model/markdown.ts";

const LOGIN_MAX = 300_000;
const LIST_MAX = 400_000;
const PAGE_MAX = 60_000;
const TERMINAL_MAX = 90_000;
const target = process.argv[2];
if (!target) throw new Error("usage: build.mjs DIRECTORY");

// Guides come as what pages show, so that nothing reads Markdown in a browser.
const guides = {
  name: "guides",
  setup: ({ onLoad }) => onLoad({ filter: /\.md$/ }, ({ path }) => ({ contents: JSON.stringify(blocks(readFileSync(path, "utf8"))), loader: "json" })),
};

const result = await build({
  entryPoints: ["src/main.tsx"], bundle: true, format: "esm", splitting: true, outdir: target, minify: true,
  target: ["es2022"], jsx: "automatic", entryNames: "[name]-[hash]", chunkNames: "[name]-[hash]",
  assetNames: "[name]-[hash]", metafile: true, write: false, legalComments: "linked",
  define: { "process.env.NODE_ENV": '"production"' },
  plugins: [guides],
  loader: { ".woff2": "file", ".woff": "empty", ".ttf": "empty", ".eot": "empty", ".svg": "file", ".jpg": "empty", ".png": "empty" },
});

const outputs = new Map(Object.entries(result.metafile.outputs).map(([path, output]) => [basename(path), output]));
const contents = new Map(result.outputFiles.map((file) => [basename(file.path), file.contents]));
const [entry, main] = [...outputs].find(([, output]) => output.entryPoint === "src/main.tsx");

// What a script has loaded before it runs, itself included.
const needed = (name, found = new Set()) => {
  if (found.has(name)) return found;
  found.add(name);
  for (const each of outputs.get(name).imports) if (each.kind === "import-statement") needed(basename(each.path), found);
  return found;
};
const page = (path) => [...outputs].find(([, output]) => output.entryPoint === path)?.[0];
const packed = new Map([...contents].map(([name, text]) => [name, /\.(js|css|svg|txt)$/.test(name) ? gzipSync(text, { level: 9 }) : null]));
const size = (name) => (packed.get(name) ?? contents.get(name)).length;
const total = (names) => [...names].reduce((sum, name) => sum + size(name), 0);

const css = basename(main.cssBundle);
const start = new Set([...needed(entry), css]);
const fonts = [...outputs.keys()].filter((name) => /^RedHat(Text|Display)VF-.*woff2$/.test(name) && !name.includes("Italic"));
const frame = needed(page("src/Pages.tsx"));
const added = (path) => [...needed(page(path))].filter((name) => !start.has(name));
const ofPage = (path) => added(path).filter((name) => !frame.has(name));
const login = total(start) + total(added("src/pages/Login.tsx")) + total(fonts);
const list = login + total(new Set([...added("src/Pages.tsx"), ...added("src/pages/Machines.tsx")]));
const problems = [];
const check = (what, bytes, most) => {
  console.log(`${String(bytes).padStart(8)} of ${most} bytes: ${what}`);
  if (bytes > most) problems.push(`${what}: ${bytes} bytes, at most ${most}`);
};
check("login page with fonts", login, LOGIN_MAX);
check("up to the machines' list", list, LIST_MAX);
for (const output of outputs.values()) {
  if (output.entryPoint?.startsWith("src/pages/")) check(output.entryPoint, total(ofPage(output.entryPoint)), PAGE_MAX);
}
check("src/console/Screen.tsx", total(ofPage("src/console/Screen.tsx")), PAGE_MAX);
check("src/console/Serial.tsx", total(ofPage("src/console/Serial.tsx")), TERMINAL_MAX);
if (problems.length) {
  console.error(problems.join("\n"));
  process.exit(1);
}

rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
for (const [name, text] of contents) {
  // Style sheets of pages that are loaded later are in the first one already.
  if (name.endsWith(".css") && name !== css) continue;
  writeFileSync(join(target, name), text);
  if (packed.get(name)) writeFileSync(join(target, `${name}.gz`), packed.get(name));
}
const html = readFileSync("index.html", "utf8").replace("%JS%", `/ui/${entry}`).replace("%CSS%", `/ui/${css}`);
writeFileSync(join(target, "index.html"), html);

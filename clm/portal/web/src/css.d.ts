// The bundler takes style sheets; they have no values.
declare module "*.css";

// Guides are read as they are bundled: `model/markdown.ts` says what they become.
declare module "*.md" {
  const blocks: readonly import("./model/markdown.ts").Block[];
  export default blocks;
}

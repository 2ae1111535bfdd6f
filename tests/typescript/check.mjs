// Whether OpenRPC documents are valid by the specification's own meta-schema, and each schema in them by JSON Schema's,
// patterns read as ECMAScript reads them. Usage: node check.mjs FILE...; a line a fault, exit status 1 where there are any.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import Ajv from "ajv";

const require = createRequire(import.meta.url);
const { openrpcDocument } = require("@open-rpc/meta-schema");
const jsonSchema = require("@json-schema-tools/meta-schema").jsonSchema;

// Both name a meta-schema of their own in $schema, which is the second one.
const plain = ({ $schema, ...rest }) => rest;
let faults = 0;
const fault = (where, what) => {
  faults += 1;
  console.log(`${where}: ${what}`);
};

for (const file of process.argv.slice(2)) {
  const document = JSON.parse(readFileSync(file, "utf8"));
  const meta = new Ajv.default({ strict: false, allErrors: true, logger: false });
  meta.addFormat("regex", (text) => {
    try {
      return Boolean(new RegExp(text, "u"));
    } catch {
      return false;
    }
  });
  meta.addSchema(plain(jsonSchema), "https://meta.json-schema.tools");
  const valid = meta.compile(plain(openrpcDocument));
  if (!valid(document)) {
    for (const error of valid.errors) fault(file + error.instancePath, error.message);
  }
  // Strict: no unknown keyword, no enumeration or bound without its type.
  const schemas = new Ajv.default({ strict: true, allowUnionTypes: true, logger: false, validateFormats: false });
  schemas.addKeyword("components");
  schemas.addSchema({ $id: "document", components: document.components });
  const absolute = (schema) => JSON.parse(JSON.stringify(schema).replaceAll('"#/components', '"document#/components'));
  for (const method of document.methods) {
    for (const part of [...method.params, method.result]) {
      const where = `${file} ${method.name} ${part.name}`;
      try {
        const check = schemas.compile(absolute(part.schema));
        if ("default" in part.schema && !check(part.schema.default)) fault(where, "its default is not of its type");
      } catch (error) {
        fault(where, error.message);
      }
    }
  }
}
process.exit(faults ? 1 : 0);

"""
A typed client in TypeScript, made from what a server tells of itself by ``rpc.discover``:

    python -m cm.rpc.typescript https://cloud.example.org:8000 > wawel.ts

The one file needs nothing but ``fetch``, and syntax that can be erased: browsers and Node.js run it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final

from cm.rpc.client import RpcClient
from cm.rpc.errors import CloudError

_SCALARS: Final = {
    "integer": "number",
    "number": "number",
    "string": "string",
    "boolean": "boolean",
    "null": "null",
}

_CLIENT: Final = """
export type Method = keyof Methods;
/** The slugs that a method can be refused with: `switch (error.slug as Slug<"user.vm.create">)`. */
export type Slug<M extends Method> = Methods[M]["errors"];
export type Params<M extends Method> = Methods[M]["params"];
export type Given<M extends Method> = {} extends Params<M> ? [params?: Params<M>] : [params: Params<M>];

/** What the server answered in place of a result; `slug` is for ever, the message is for people. */
export class WawelError extends Error {
  readonly code: number;
  readonly slug: string;
  readonly fields: Record<string, unknown>;
  /** Whether the same call may succeed later, unchanged. */
  readonly retry: boolean;

  constructor(
    code: number,
    message: string,
    data?: { slug?: string; fields?: Record<string, unknown>; retry?: boolean },
  ) {
    super(message);
    this.name = "WawelError";
    this.code = code;
    this.slug = data?.slug ?? "error";
    this.fields = data?.fields ?? {};
    this.retry = data?.retry ?? false;
  }
}

export interface Options {
  /** `https://host:port`, without a path. */
  url: string;
  /** A session's token or an API key. */
  token?: string;
  login?: string;
  password?: string;
  /** Milliseconds that a call may take; 40,000 without it. */
  timeout?: number;
}

export class Client {
  readonly #url: string;
  readonly #headers: Record<string, string>;
  readonly #timeout: number;
  #last = 0;

  constructor(options: Options) {
    this.#url = options.url.replace(/\\/+$/, "") + "/jsonrpc";
    this.#headers = { "content-type": "application/json" };
    this.#timeout = options.timeout ?? 40_000;
    if (options.token !== undefined) {
      this.#headers["authorization"] = "Bearer " + options.token;
    } else if (options.login !== undefined) {
      const pair = new TextEncoder().encode(options.login + ":" + (options.password ?? ""));
      this.#headers["authorization"] = "Basic " + btoa(String.fromCharCode(...pair));
    }
  }

  /** @throws {WawelError} What the server refused. Whatever else is thrown is `fetch`'s: no answer came. */
  async call<M extends Method>(method: M, ...given: Given<M>): Promise<Methods[M]["result"]> {
    this.#last += 1;
    const response = await fetch(this.#url, {
      method: "POST",
      headers: this.#headers,
      body: JSON.stringify({ jsonrpc: "2.0", id: this.#last, method, params: given[0] ?? {} }),
      signal: AbortSignal.timeout(this.#timeout),
    });
    const answer = await response.json();
    if (answer.error !== undefined) {
      throw new WawelError(answer.error.code, answer.error.message, answer.error.data);
    }
    return answer.result;
  }
}
"""


def typescript(document: Mapping[str, Any]) -> str:
    """The client's text for an OpenRPC document as ``introspection.openrpc`` makes it."""
    lines = ["// Made by `python -m cm.rpc.typescript` from rpc.discover: make it anew instead of editing it.", ""]
    for name, schema in sorted(document.get("components", {}).get("schemas", {}).items()):
        lines += [f"export type {name} = {_type(schema)};"]
    lines += ["", "export interface Methods {"]
    for method in sorted(document["methods"], key=lambda each: str(each["name"])):
        lines += [
            f"  /** {_comment(method.get('summary', ''))} */",
            f"  {json.dumps(method['name'])}: {{",
            f"    params: {_members((p['name'], bool(p.get('required')), p['schema']) for p in method['params'])};",
            f"    result: {_type(method['result']['schema'])};",
            f"    errors: {_slugs(method)};",
            "  };",
        ]
    return "\n".join([*lines, "}"]) + "\n" + _CLIENT


def _slugs(method: Mapping[str, Any]) -> str:
    """The slugs of a method's errors as a union; of a server that does not tell them any text."""
    found = [slug for error in method.get("errors", ()) for slug in error.get("data", {}).get("slugs", ())]
    return " | ".join(json.dumps(slug) for slug in dict.fromkeys(found)) or "string"


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "allOf" in schema:
        return " & ".join(_grouped(_type(part)) for part in schema["allOf"])
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_type(part) for part in schema["anyOf"]))
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(dict.fromkeys(_type({**schema, "type": each}) for each in kind))
    if kind == "array":
        return f"{_grouped(_type(schema.get('items', {})))}[]"
    if kind == "object":
        return _object(schema)
    return _SCALARS.get(kind or "", "unknown")


def _object(schema: Mapping[str, Any]) -> str:
    required = frozenset(schema.get("required", ()))
    properties = schema.get("properties") or {}
    if properties:
        return _members((name, name in required, each) for name, each in properties.items())
    more = schema.get("additionalProperties")
    return f"Record<string, {_type(more) if isinstance(more, Mapping) else 'unknown'}>"


def _members(members: Iterable[tuple[str, bool, Mapping[str, Any]]]) -> str:
    told = "; ".join(
        f"{name if name.isidentifier() else json.dumps(name)}{'' if required else '?'}: {_type(schema)}"
        for name, required, schema in members
    )
    return f"{{ {told} }}" if told else "{}"


def _grouped(text: str) -> str:
    return f"({text})" if " | " in text or " & " in text else text


def _comment(text: str) -> str:
    return text.replace("*/", "* /")


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python -m cm.rpc.typescript URL        the client for that server, on standard output")
        return 0 if arguments in (["-h"], ["--help"]) else 2
    try:
        with RpcClient(arguments[0]) as client:
            sys.stdout.write(typescript(client.call("rpc.discover")))
    except CloudError as error:
        print(f"typescript: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

// Pages' addresses, below /ui/: pure.
const BASE = "/ui";

export type Route =
  | { page: "machines" }
  | { page: "create" }
  | { page: "machine"; uuid: string }
  | { page: "nowhere" };

export function routeOf(pathname: string): Route {
  const parts = pathname.replace(/^\/ui\/?/, "").split("/").filter(Boolean);
  if (parts.length === 0 || (parts[0] === "machines" && parts.length === 1)) return { page: "machines" };
  if (parts[0] !== "machines" || parts.length !== 2 || !parts[1]) return { page: "nowhere" };
  return parts[1] === "new" ? { page: "create" } : { page: "machine", uuid: parts[1] };
}

export const addresses = {
  machines: (query = ""): string => `${BASE}/machines${query}`,
  create: (): string => `${BASE}/machines/new`,
  machine: (uuid: string): string => `${BASE}/machines/${uuid}`,
};

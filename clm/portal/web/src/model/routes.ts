// The portal's pages and their addresses, below /ui/: pure. A page is declared here, made in `pages/`, and named in `Pages.tsx`.
import type { Profile } from "../api/wawel.ts";
import type { Key } from "../texts/translate.ts";

const BASE = "/ui";

/** Who a page is for; `guest`: everybody, whether logged in or not, so it stands by itself. */
export type Audience = "guest" | "user" | "cluster" | "cloud";

interface Spec {
  page: string;
  /** Parts that begin with a colon hold what the page is about. */
  path: string;
  audience: Audience;
  /** In which menu it stands, and as what. */
  menu?: Key;
  /** The page whose place in the menu it has, where it has none of its own. */
  below?: string;
  /** It has the window to itself. */
  alone?: true;
}

export const ROUTES = [
  { page: "overview", path: "/overview", audience: "user", menu: "menu.overview" },
  { page: "machines", path: "/machines", audience: "user", menu: "machines.title" },
  { page: "create", path: "/machines/new", audience: "user", below: "machines" },
  { page: "machine", path: "/machines/:uuid", audience: "user", below: "machines" },
  { page: "machineConsole", path: "/machines/:uuid/console", audience: "user", below: "machines" },
  { page: "machineScreen", path: "/machines/:uuid/screen", audience: "user", below: "machines", alone: true },
  { page: "machineTerminal", path: "/machines/:uuid/terminal", audience: "user", below: "machines", alone: true },
  { page: "machineDisks", path: "/machines/:uuid/disks", audience: "user", below: "machines" },
  { page: "machineNetwork", path: "/machines/:uuid/network", audience: "user", below: "machines" },
  { page: "machineGuest", path: "/machines/:uuid/guest", audience: "user", below: "machines" },
  { page: "machineAccess", path: "/machines/:uuid/access", audience: "user", below: "machines" },
  { page: "machineHistory", path: "/machines/:uuid/history", audience: "user", below: "machines" },
  { page: "farms", path: "/farms", audience: "user", menu: "menu.farms" },
  { page: "newFarm", path: "/farms/new", audience: "user", below: "farms" },
  { page: "farm", path: "/farms/:uuid", audience: "user", below: "farms" },
  { page: "templates", path: "/templates", audience: "user", menu: "menu.templates" },
  { page: "newTemplate", path: "/templates/new", audience: "user", below: "templates" },
  { page: "profiles", path: "/templates/profiles", audience: "user", below: "templates" },
  { page: "vmTemplate", path: "/templates/:uuid", audience: "user", below: "templates" },
  { page: "images", path: "/images", audience: "user", menu: "menu.images" },
  { page: "newImage", path: "/images/new", audience: "user", below: "images" },
  { page: "image", path: "/images/:uuid", audience: "user", below: "images" },
  { page: "disks", path: "/disks", audience: "user", menu: "menu.disks" },
  { page: "trash", path: "/disks/trash", audience: "user", below: "disks" },
  { page: "disk", path: "/disks/:uuid", audience: "user", below: "disks" },
  { page: "networks", path: "/networks", audience: "user", menu: "menu.networks" },
  { page: "network", path: "/networks/:uuid", audience: "user", below: "networks" },
  { page: "addresses", path: "/addresses", audience: "user", menu: "menu.addresses" },
  { page: "securityGroups", path: "/security", audience: "user", menu: "menu.security" },
  { page: "securityGroup", path: "/security/:uuid", audience: "user", below: "securityGroups" },
  { page: "affinity", path: "/affinity", audience: "user", menu: "menu.affinity" },
  { page: "resourcePools", path: "/pools", audience: "user", menu: "menu.resourcePools" },
  { page: "leases", path: "/expiry", audience: "user", menu: "expiry.title" },
  { page: "jobs", path: "/jobs", audience: "user", menu: "menu.jobs" },
  { page: "newJob", path: "/jobs/new", audience: "user", below: "jobs" },
  { page: "job", path: "/jobs/:uuid", audience: "user", below: "jobs" },
  { page: "transfers", path: "/transfers", audience: "user", menu: "menu.transfers" },
  { page: "keys", path: "/keys", audience: "user", menu: "menu.keys" },
  { page: "groups", path: "/groups", audience: "user", menu: "menu.groups" },
  { page: "group", path: "/groups/:id", audience: "user", below: "groups" },
  { page: "messages", path: "/messages", audience: "user", menu: "menu.messages" },
  { page: "account", path: "/account", audience: "user", menu: "menu.account" },
  { page: "factor", path: "/account/factor", audience: "user", below: "account" },
  { page: "sessions", path: "/account/sessions", audience: "user", below: "account" },
  { page: "apiKeys", path: "/account/keys", audience: "user", below: "account" },
  { page: "quota", path: "/account/quota", audience: "user", below: "account" },
  { page: "help", path: "/help", audience: "user", menu: "menu.help" },
  { page: "contact", path: "/help/contact", audience: "user", below: "help" },
  { page: "helpAdmin", path: "/help/administration", audience: "user", below: "help" },
  { page: "clusterMachines", path: "/clusters/:cluster/machines", audience: "cluster", menu: "machines.title" },
  { page: "clusterFarms", path: "/clusters/:cluster/farms", audience: "cluster", menu: "menu.farms" },
  { page: "clusterFarm", path: "/clusters/:cluster/farms/:uuid", audience: "cluster", below: "clusterFarms" },
  { page: "clusterUsers", path: "/clusters/:cluster/users", audience: "cluster", menu: "menu.clusterUsers" },
  { page: "clusterPoints", path: "/clusters/:cluster/points", audience: "cluster", menu: "menu.points" },
  { page: "accountPoints", path: "/clusters/:cluster/points/:id", audience: "cluster", below: "clusterPoints" },
  { page: "clusterImages", path: "/clusters/:cluster/images", audience: "cluster", menu: "menu.images" },
  { page: "clusterImage", path: "/clusters/:cluster/images/:uuid", audience: "cluster", below: "clusterImages" },
  { page: "sizes", path: "/clusters/:cluster/sizes", audience: "cluster", menu: "menu.sizes" },
  { page: "clusterExpiry", path: "/clusters/:cluster/expiry", audience: "cluster", menu: "menu.expiry" },
  { page: "expiryTrial", path: "/clusters/:cluster/expiry/trial", audience: "cluster", below: "clusterExpiry" },
  { page: "expiryMachines", path: "/clusters/:cluster/expiry/machines", audience: "cluster", below: "clusterExpiry" },
  { page: "clusterTemplates", path: "/clusters/:cluster/templates", audience: "cluster", menu: "menu.templates" },
  { page: "clusterPools", path: "/clusters/:cluster/resource-pools", audience: "cluster", menu: "menu.resourcePools" },
  { page: "clusterPool", path: "/clusters/:cluster/resource-pools/:uuid", audience: "cluster", below: "clusterPools" },
  { page: "clusterNetworks", path: "/clusters/:cluster/networks", audience: "cluster", menu: "menu.networks" },
  { page: "pools", path: "/clusters/:cluster/pools", audience: "cluster", menu: "menu.pools" },
  { page: "clusterAddresses", path: "/clusters/:cluster/addresses", audience: "cluster", menu: "menu.addresses" },
  { page: "nodes", path: "/clusters/:cluster/nodes", audience: "cluster", menu: "menu.nodes" },
  { page: "node", path: "/clusters/:cluster/nodes/:uuid", audience: "cluster", below: "nodes" },
  { page: "clusterAffinity", path: "/clusters/:cluster/affinity", audience: "cluster", menu: "menu.affinity" },
  { page: "storages", path: "/clusters/:cluster/storages", audience: "cluster", menu: "menu.storages" },
  { page: "storage", path: "/clusters/:cluster/storages/:uuid", audience: "cluster", below: "storages" },
  { page: "drift", path: "/clusters/:cluster/drift", audience: "cluster", menu: "menu.drift" },
  { page: "operations", path: "/clusters/:cluster/operations", audience: "cluster", menu: "menu.operations" },
  { page: "clusterJobs", path: "/clusters/:cluster/jobs", audience: "cluster", menu: "menu.jobs" },
  { page: "clusterJob", path: "/clusters/:cluster/jobs/:uuid", audience: "cluster", below: "clusterJobs" },
  { page: "placement", path: "/clusters/:cluster/placement", audience: "cluster", menu: "menu.placement" },
  { page: "check", path: "/clusters/:cluster/check", audience: "cluster", menu: "menu.check" },
  { page: "setup", path: "/cloud/setup", audience: "cloud", menu: "menu.setup" },
  { page: "cloudUsers", path: "/cloud/users", audience: "cloud", menu: "menu.users" },
  { page: "clusters", path: "/cloud/clusters", audience: "cloud", menu: "menu.clusters" },
  { page: "news", path: "/cloud/news", audience: "cloud", menu: "menu.news" },
  { page: "mails", path: "/cloud/mails", audience: "cloud", menu: "menu.mails" },
  { page: "audit", path: "/cloud/audit", audience: "cloud", menu: "menu.audit" },
  { page: "home", path: "/home", audience: "guest" },
  { page: "register", path: "/register", audience: "guest" },
  { page: "activate", path: "/activate", audience: "guest" },
  { page: "forgot", path: "/forgot", audience: "guest" },
  { page: "reset", path: "/reset", audience: "guest" },
  { page: "renew", path: "/renew", audience: "guest" },
  { page: "provider", path: "/oidc", audience: "guest" },
] as const satisfies readonly Spec[];

type Declared = (typeof ROUTES)[number];
export type Page = Declared["page"];
export type GuestPage = Extract<Declared, { audience: "guest" }>["page"];
export type InnerPage = Exclude<Page, GuestPage>;
export type Params = Readonly<Record<string, string>>;
export interface Route {
  page: Page | "nowhere";
  params: Params;
}

const specs: ReadonlyMap<string, Spec> = new Map(ROUTES.map((route) => [route.page, route]));
export const specOf = (page: Page): Spec => specs.get(page) ?? ROUTES[0];

const partsOf = (path: string): string[] => path.split("/").filter(Boolean);

/** What stands in an address by itself goes before what fits anything, so the order above does not matter. */
export function routeOf(pathname: string): Route {
  const parts = partsOf(pathname.replace(/^\/ui(?=\/|$)/, ""));
  if (parts.length === 0) return { page: "machines", params: {} };
  let best: Route = { page: "nowhere", params: {} };
  for (const { page, path } of ROUTES) {
    const wanted = partsOf(path);
    if (wanted.length !== parts.length) continue;
    if (!wanted.every((part, index) => part.startsWith(":") || part === parts[index])) continue;
    const params: Record<string, string> = {};
    wanted.forEach((part, index) => {
      if (part.startsWith(":")) params[part.slice(1)] = decoded(parts[index] ?? "");
    });
    if (best.page === "nowhere" || Object.keys(params).length < Object.keys(best.params).length) best = { page, params };
  }
  return best;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // it is nobody's name then
  }
}

/** @param query with its question mark, or nothing. */
export function addressTo(page: Page, params: Params = {}, query = ""): string {
  const parts = partsOf(specOf(page).path).map((part) =>
    part.startsWith(":") ? encodeURIComponent(params[part.slice(1)] ?? "") : part,
  );
  return `${BASE}/${parts.join("/")}${query}`;
}

type Who = Pick<Profile, "is_cloud_admin" | "administers">;

export const isGuest = (page: Route["page"]): page is GuestPage => page !== "nowhere" && specOf(page).audience === "guest";

/** Whether a page stands without the frame around the others. */
export const isAlone = (page: Page): boolean => specOf(page).alone === true;

/** Whether a page is shown to somebody; what the server refuses is its own. */
export function isFor(page: InnerPage, who: Who, cluster?: string): boolean {
  const { audience } = specOf(page);
  if (audience === "cloud") return who.is_cloud_admin;
  if (audience === "cluster") return who.administers.some((each) => each.name === cluster);
  return true;
}

export interface Entry {
  page: Page;
  title: Key;
  address: string;
  isCurrent: boolean;
}

/** The menu of those pages, as it stands while one is at `route`. */
export function menuOf(audience: Audience, route: Route, params: Params = {}): Entry[] {
  const at = route.page === "nowhere" ? "" : (specOf(route.page).below ?? route.page);
  return ROUTES.flatMap((each) =>
    each.audience === audience && "menu" in each
      ? [{ page: each.page, title: each.menu, address: addressTo(each.page, params), isCurrent: each.page === at }]
      : [],
  );
}

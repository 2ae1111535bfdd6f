// What is kept of a login that was begun, while one is at the provider's: pure.
export const BACK = "/ui/oidc";

export interface Begun {
  state: string;
  /** Where one was. */
  to: string;
}

export function begunOf(kept: string | null): Begun | undefined {
  try {
    const found = JSON.parse(kept ?? "null") as Partial<Begun> | null;
    if (typeof found?.state !== "string" || found.state === "" || typeof found.to !== "string") return undefined;
    // An address of this portal, and no other site's.
    return { state: found.state, to: /^\/ui(\/|$)/.test(found.to) && !found.to.startsWith(BACK) ? found.to : "/ui/" };
  } catch {
    return undefined;
  }
}

export const matches = (begun: Begun, state: string | null): boolean => begun.state === state;

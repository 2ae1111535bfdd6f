// Logging in by a provider of OpenID Connect: there, and back to this browser alone.
import { call } from "./rpc.ts";
import { enter } from "./session.ts";
import { BACK, begunOf, matches } from "../model/oidc.ts";
import type { LoginProvider } from "./wawel.ts";

const KEPT = "wawel.oidc";

/** None where there are none, or they cannot be told: one can log in by password all the same. */
export const providers = async (): Promise<LoginProvider[]> => call("guest.oidc.get_list").catch(() => []);

/** Leaves this page for the provider's. @throws {WawelError} it cannot be reached. */
export async function leaveFor(provider: string): Promise<void> {
  const { url, state } = await call("guest.oidc.begin", { provider, redirect_uri: location.origin + BACK });
  // Whoever comes back with another state began elsewhere: somebody else's login is not finished here.
  sessionStorage.setItem(KEPT, JSON.stringify({ state, to: location.pathname + location.search }));
  location.assign(url);
}

/**
 * Ends what was begun, with what came back in the address.
 *
 * @returns where one was before. @throws {WawelError} one is not let in. @throws {TypeError} it was not begun here.
 */
export async function comeBack(query: string): Promise<string> {
  const begun = begunOf(sessionStorage.getItem(KEPT));
  sessionStorage.removeItem(KEPT);
  const came = new URLSearchParams(query);
  const code = came.get("code");
  if (!begun || !code || !matches(begun, came.get("state"))) throw new TypeError("not begun here");
  await enter({ state: begun.state, code });
  return begun.to;
}

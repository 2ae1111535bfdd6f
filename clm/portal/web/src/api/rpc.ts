// Calls, by the client that is generated from the server's own description. The browser adds the session's cookie.
import { PASSWORD_REFUSED } from "../model/refused.ts";
import { Client, WawelError, type Given, type Method, type Methods, type Params } from "./wawel.ts";

export { WawelError };

/** What was refused because nobody is logged in any more is told to whoever set this, too. */
export const listeners: { sessionLost: () => void } = { sessionLost: () => undefined };

/** Calls that ask for the password once more, and are refused as if nobody were logged in where it is another. */
const WITH_PASSWORD: ReadonlySet<string> = new Set<Method>(["user.account.set_password", "user.totp.disable"]);

let client: Client | undefined;

/** @throws {WawelError} whatever happens; `offline` where no answer came, of which a repeat is no harm for reads. */
export async function call<M extends Method>(method: M, ...given: Given<M>): Promise<Methods[M]["result"]> {
  client ??= new Client({ url: location.origin });
  try {
    return await client.call(method, ...given);
  } catch (error) {
    throw problemOf(ofPassword(method, error));
  }
}

/** The session goes on then. Where it has ended, too, the next call tells. */
export function ofPassword(method: Method, error: unknown): unknown {
  if (!(error instanceof WawelError) || error.slug !== "not_authenticated" || !WITH_PASSWORD.has(method)) return error;
  return new WawelError(error.code, error.message, { slug: PASSWORD_REFUSED });
}

export function problemOf(error: unknown): WawelError {
  if (!(error instanceof WawelError)) {
    return new WawelError(0, "The cloud does not answer.", { slug: "offline", retry: true });
  }
  if (error.slug === "not_authenticated") listeners.sessionLost();
  return error;
}

export interface PlanStep {
  step: string;
  [field: string]: unknown;
}

/** What a change would do; nothing is changed. */
export async function plan<M extends Method>(method: M, ...given: Given<M>): Promise<PlanStep[]> {
  const params = { ...given[0], dry_run: true } as Params<M>;
  const answer: unknown = await call(method, ...([params] as unknown as Given<M>));
  return (answer as { plan: PlanStep[] }).plan;
}

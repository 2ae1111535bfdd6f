// Calls, by the client that is generated from the server's own description. The browser adds the session's cookie.
import { Client, WawelError, type Given, type Method, type Methods, type Params } from "./wawel.ts";

export { WawelError };

/** What was refused because nobody is logged in any more is told to whoever set this, too. */
export const listeners: { sessionLost: () => void } = { sessionLost: () => undefined };

let client: Client | undefined;

/** @throws {WawelError} whatever happens; `offline` where no answer came, of which a repeat is no harm for reads. */
export async function call<M extends Method>(method: M, ...given: Given<M>): Promise<Methods[M]["result"]> {
  client ??= new Client({ url: location.origin });
  try {
    return await client.call(method, ...given);
  } catch (error) {
    throw problemOf(error);
  }
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

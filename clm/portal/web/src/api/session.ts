// Who is logged in. The token itself is in a cookie that no script reads; what is known here is whose it is.
import { call, listeners, problemOf, WawelError } from "./rpc.ts";
import { Value } from "./value.ts";
import type { Profile } from "./wawel.ts";

/** `undefined`: not known yet. `null`: nobody. */
export const session = new Value<Profile | null | undefined>(undefined);
/** Where the session ended without being asked to: the log-in page says so. */
export const lost = new Value(false);

listeners.sessionLost = (): void => {
  if (session.get()) lost.set(true);
  session.set(null);
};

/** @throws {WawelError} it cannot be told. */
export async function resume(): Promise<void> {
  try {
    session.set(await call("user.account.get"));
    lost.set(false);
  } catch (error) {
    if (!(error instanceof WawelError) || error.slug !== "not_authenticated") throw error;
    session.set(null);
  }
}

/** @throws {WawelError} `otp_required`: the password is right, and a code is missing. */
export async function logIn(login: string, password: string, otp?: string): Promise<void> {
  await ask("POST", { login, password, ...(otp ? { otp } : {}) });
  await resume();
}

/** After a log-in at a provider's: with the state that it was begun by, and the code that it ended with. */
export async function enter(given: { state: string; code: string }): Promise<void> {
  await ask("POST", given);
  await resume();
}

export async function logOut(): Promise<void> {
  await ask("DELETE");
  session.set(null);
}

async function ask(method: "POST" | "DELETE", given?: object): Promise<void> {
  let response: Response;
  try {
    response = await fetch("/ui/session", {
      method,
      headers: { "content-type": "application/json" },
      ...(given ? { body: JSON.stringify(given) } : {}),
      signal: AbortSignal.timeout(40_000),
    });
  } catch (error) {
    throw problemOf(error);
  }
  if (response.ok) return;
  const { error } = (await response.json()) as {
    error: { code: number; message: string; data?: ConstructorParameters<typeof WawelError>[2] };
  };
  throw new WawelError(error.code, error.message, error.data);
}

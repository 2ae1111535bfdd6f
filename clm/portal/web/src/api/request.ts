// A change as it is declared by pages: sent, or asked what it would do.
import { call, plan, type PlanStep } from "./rpc.ts";
import type { Given, Method, Params } from "./wawel.ts";

export interface Request {
  method: Method;
  params: object;
}

/** @param params as the method takes them: the compiler holds them against it. */
export const ask = <M extends Method>(method: M, params: Params<M>): Request => ({ method, params: params ?? {} });

const given = (request: Request): Given<Method> => [request.params] as unknown as Given<Method>;

/** @throws {WawelError} it is refused. */
export const send = (request: Request): Promise<unknown> => call(request.method, ...given(request));

/** @throws {WawelError} it would be refused. */
export const planOf = (request: Request): Promise<PlanStep[]> => plan(request.method, ...given(request));

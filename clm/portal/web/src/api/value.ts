// A value that components watch: `useSyncExternalStore(value.subscribe, value.get)`.
export class Value<T> {
  #now: T;
  readonly #listeners = new Set<() => void>();

  constructor(first: T) {
    this.#now = first;
  }

  get = (): T => this.#now;

  set(next: T): void {
    if (Object.is(this.#now, next)) return;
    this.#now = next;
    for (const listener of [...this.#listeners]) listener();
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
}

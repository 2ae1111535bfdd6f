// Which row of a long list is where in the document: rows that come take the places of those that went, so that nothing is made anew.

/**
 * @param ids the rows that are to be there, in their order.
 * @param was the place of each that was there, in their order.
 * @param kept a row whose place nobody takes: what is focused must not become another's.
 */
export function slotsOf(ids: readonly string[], was: ReadonlyMap<string, number>, kept: string | undefined): Map<string, number> {
  const wanted = new Set(ids);
  const free = [...was].filter(([id]) => !wanted.has(id) && id !== kept).map(([, slot]) => slot);
  let next = Math.max(-1, ...was.values()) + 1;
  return new Map(ids.map((id) => [id, was.get(id) ?? free.shift() ?? next++]));
}

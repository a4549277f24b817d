const LONGEST_MS = 10_000;

/** Lets the event loop turn until the condition holds; no time is waited for. @throws Error when it never does */
export async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const since = performance.now();
  while (!await holds()) {
    if (performance.now() - since > LONGEST_MS) throw new Error(`never: ${what}`);
    await new Promise<void>((resolve) => { setImmediate(resolve); });
  }
}

/** All that an iteration gives. */
export async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

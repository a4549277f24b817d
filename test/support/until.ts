const LONGEST_MS = 20_000;
const QUICK_TURNS = 100;

/** Lets the event loop turn until the condition holds, and other processes work once that takes long. @throws Error when it never does */
export async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const since = performance.now();
  let turns = 0;
  while (!await holds()) {
    if (performance.now() - since > LONGEST_MS) throw new Error(`never: ${what}`);
    await new Promise<void>((resolve) => { turns += 1; if (turns < QUICK_TURNS) setImmediate(resolve); else setTimeout(resolve, 1); });
  }
}

/** All that an iteration gives. */
export async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** Connects to something that tells of changes. @returns how to end that */
export type Connect = (notify: () => void) => () => void;

/** Yields at once and then once after any number of changes, until the signal aborts. */
export async function* watchChanges(sources: readonly Connect[], signal: AbortSignal): AsyncGenerator<void> {
  let changed = true;
  let wake: () => void = () => undefined;
  const notify = () => { changed = true; wake(); };
  const endings = sources.map((connect) => connect(notify));
  signal.addEventListener('abort', notify, { once: true });
  try {
    while (!signal.aborted) {
      if (changed) { changed = false; yield; continue; }
      await new Promise<void>((resolve) => { wake = resolve; });
    }
  } finally {
    for (const end of endings) end();
  }
}

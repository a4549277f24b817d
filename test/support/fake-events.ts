import type { EngineEvent } from '../../src/engine/port.js';

/** The event stream of the engine in memory. */
export interface FakeEvents {
  readonly watch: (signal: AbortSignal) => AsyncGenerator<EngineEvent>;
  readonly emit: (event: EngineEvent) => void;
  /** Breaks the stream: what happens until it is mended is told to nobody. */
  readonly cut: () => void;
  readonly mend: () => void;
}

interface Watcher { queue: EngineEvent[]; wake: () => void }

export function createFakeEvents(): FakeEvents {
  const watchers = new Set<Watcher>();
  let isCut = false;
  const tell = (event: EngineEvent) => {
    for (const watcher of watchers) {
      watcher.queue.push(event);
      watcher.wake();
    }
  };
  return {
    emit: (event) => { if (!isCut) tell(event); },
    cut: () => { isCut = true; },
    mend: () => {
      if (!isCut) return;
      isCut = false;
      tell({ kind: 'gap' });
    },
    watch: async function* (signal) {
      const watcher: Watcher = { queue: isCut ? [] : [{ kind: 'gap' }], wake: () => undefined };
      const onAbort = () => { watcher.wake(); };
      watchers.add(watcher);
      signal.addEventListener('abort', onAbort, { once: true });
      try {
        while (!signal.aborted) {
          const next = watcher.queue.shift();
          if (next) yield next;
          else await new Promise<void>((resolve) => { watcher.wake = resolve; });
        }
      } finally {
        watchers.delete(watcher);
        signal.removeEventListener('abort', onAbort);
      }
    },
  };
}

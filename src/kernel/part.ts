/** Something with a life: started in order, stopped in the reverse one. `stop` is safe twice and after a failed `start`. */
export interface Part {
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Parts that do not know each other start together; all that began are ended. */
export function together(parts: readonly Part[]): Part {
  return {
    start: async () => {
      const results = await Promise.allSettled(parts.map((each) => each.start()));
      for (const result of results) if (result.status === 'rejected') throw result.reason;
    },
    stop: async () => { await Promise.all(parts.map((each) => each.stop())); },
  };
}

/** Something that needs no more than to be ended, and perhaps to be warmed. */
export function part({ start = () => undefined, stop }: { start?: () => void; stop: () => void | Promise<void> }): Part {
  return { start: () => { start(); return Promise.resolve(); }, stop: async () => { await stop(); } };
}

/** A place to hear of events of one kind; a listener that throws does not reach the publisher or the others. */
export interface Topic<Event> {
  readonly publish: (event: Event) => void;
  /** @returns a function that ends the subscription. */
  readonly subscribe: (listener: (event: Event) => void) => () => void;
}

export function createTopic<Event>(onFault: (error: unknown) => void): Topic<Event> {
  const listeners = new Set<(event: Event) => void>();
  return {
    publish: (event) => {
      for (const listener of [...listeners]) {
        try { listener(event); } catch (error) { onFault(error); }
      }
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => { listeners.delete(listener); };
    },
  };
}

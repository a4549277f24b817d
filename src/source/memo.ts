/** A map that forgets the oldest entry when it is full. */
export interface BoundedMap<Key, Value> {
  get(key: Key): Value | undefined;
  /** @returns the value, for use in an expression */
  set(key: Key, value: Value): Value;
}

export function createBoundedMap<Key, Value>(max: number): BoundedMap<Key, Value> {
  const entries = new Map<Key, Value>();
  return {
    get: (key) => entries.get(key),
    set: (key, value) => {
      entries.delete(key);
      entries.set(key, value);
      const oldest = entries.keys().next();
      if (entries.size > max && oldest.done !== true) entries.delete(oldest.value);
      return value;
    },
  };
}

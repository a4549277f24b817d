import { parseImageId } from '../domain/ids.js';
import type { ContainerId, InstanceId } from '../domain/ids.js';
import { isOnce, LABEL } from './labels.js';
import { readNetworkName } from './network.js';
import type { EngineEvent } from './port.js';

/** Which of the engine's events are asked for: an idle engine sends none of them. */
export const WATCHED: { type: ('container' | 'image' | 'network')[]; event: string[] } = {
  type: ['container', 'image', 'network'],
  // `remove` is what engines of another make say for `destroy` and `delete`.
  event: ['pause', 'unpause', 'kill', 'die', 'destroy', 'remove', 'delete', 'untag', 'disconnect'],
};

export interface ReadEvent {
  readonly events: readonly EngineEvent[];
  /** Seconds since the epoch, by the engine's clock; undefined for a line that could not be read. */
  readonly at: number | undefined;
}

/** Reads one line of the engine's events; whatever it is, it does not throw. */
export type EventReader = (line: string) => ReadEvent;

interface RawEvent {
  readonly type: string;
  readonly action: string;
  readonly id: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly at: number;
}

/** Signals by which a container is told to end; many programs take others for something else, such as a reload. */
const ENDING = new Set(['2', '9', '15', 'SIGINT', 'SIGKILL', 'SIGTERM']);
const MOST_NOTED = 1_000;
const UNREAD: ReadEvent = { events: [{ kind: 'gap' }], at: undefined };

/**
 * Keeps which containers were told to end, so that such an end does not pass for a crash, and which are those of one-offs:
 * the event of their network, which comes after their own, has no labels.
 */
export function createEventReader(instance: InstanceId): EventReader {
  const killed = new Set<string>();
  const onces = new Set<string>();

  const note = (ids: Set<string>, id: string) => {
    ids.add(id);
    const [oldest] = ids;
    if (ids.size > MOST_NOTED && oldest !== undefined) ids.delete(oldest);
  };

  const ofContainer = ({ action, id, attributes }: RawEvent): EngineEvent[] => {
    if (attributes[LABEL.instance] !== instance) return [];
    if (isOnce(attributes)) { note(onces, id); return []; }
    if (action === 'kill') {
      if (ENDING.has(attributes.signal ?? '')) note(killed, id);
      return [];
    }
    if (action === 'pause' || action === 'unpause') return [{ kind: action === 'pause' ? 'container-paused' : 'container-resumed', container: id as ContainerId }];
    const byHand = killed.delete(id) || action !== 'die';
    return [{ kind: 'container-lost', container: id as ContainerId, byHand }];
  };

  const ofNetwork = ({ action, attributes: { name = '', container } }: RawEvent): EngineEvent[] => {
    const project = readNetworkName(instance, name);
    if (project === undefined) return [];
    if (action !== 'disconnect') return [{ kind: 'network-removed', project }];
    return container === undefined || onces.has(container) ? [] : [{ kind: 'container-lost', container: container as ContainerId, byHand: killed.has(container) }];
  };

  const read = (raw: RawEvent): EngineEvent[] => {
    switch (raw.type) {
      case 'container': return ofContainer(raw);
      case 'network': return ofNetwork(raw);
      case 'image': return [{ kind: 'image-removed', image: parseImageId(raw.id) }];
      default: return [];
    }
  };

  return (line) => {
    if (line.trim() === '') return { events: [], at: undefined };
    try {
      const raw = parseEvent(line);
      return raw ? { events: read(raw), at: raw.at } : UNREAD;
    } catch {
      return UNREAD;
    }
  };
}

/** @returns undefined when it is not an event; throws when it is not JSON */
function parseEvent(line: string): RawEvent | undefined {
  const { Type, Action, Actor, time } = JSON.parse(line) as { Type?: unknown; Action?: unknown; Actor?: { ID?: unknown; Attributes?: unknown } | null; time?: unknown };
  if (typeof Type !== 'string' || typeof Action !== 'string' || typeof time !== 'number') return undefined;
  const attributes = typeof Actor?.Attributes === 'object' ? Actor.Attributes ?? {} : {};
  return { type: Type, action: Action, id: typeof Actor?.ID === 'string' ? Actor.ID : '', attributes: attributes as Record<string, string>, at: time };
}

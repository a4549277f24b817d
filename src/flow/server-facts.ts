import type { Builds } from '../build/builds.js';
import type { Build } from '../domain/build.js';
import { AppError, toAppError } from '../domain/errors.js';
import type { Project } from '../domain/project.js';
import type { ContainerEngine, EngineDescription, Protection } from '../engine/port.js';
import type { Clock } from '../kernel/clock.js';
import { withDeadline } from '../kernel/deadline.js';
import type { EventStreams } from '../kernel/event-stream.js';
import type { FailureBook, FailureCount } from '../kernel/failure-book.js';
import type { LoopBook, LoopRecord } from '../kernel/loop-book.js';
import type { Machine, MachineFacts } from '../kernel/machine.js';
import type { Room } from '../run/room.js';
import type { Hold } from '../serve/hold.js';
import type { RoutingTable } from '../serve/routing.js';
import type { Server } from '../serve/server.js';
import type { Source } from '../source/source.js';
import type { BuildStore } from '../state/builds.js';
import type { SessionRecords } from '../state/sessions.js';

/** What a maintainer wants to know of a server without a shell on its machine. Times are milliseconds since the epoch. */
export interface ServerFacts {
  readonly machine: MachineFacts;
  readonly engine: EngineFacts;
  /** Every repeating step that concerns all projects or one of the given ones. */
  readonly loops: readonly LoopRecord[];
  readonly queue: QueueFacts;
  readonly bounds: readonly Bound[];
  readonly failures: FailureCount;
  readonly mirrors: readonly MirrorFacts[];
}

export interface EngineFacts {
  /** Null when it does not answer. */
  readonly description: EngineDescription | null;
  readonly protections: readonly Protection[];
  /** Why it does not answer. */
  readonly error: string | null;
}

export interface QueueFacts {
  readonly building: readonly Build[];
  /** The next one first; `position` counts those of all projects. */
  readonly waiting: readonly { readonly build: Build; readonly position: number }[];
  readonly startedLastMinute: number;
  readonly limits: QueueLimits;
}

export interface QueueLimits { readonly concurrency: number; readonly perMinute: number; readonly queue: number }

/** Something that grows, and how far it may. */
export interface Bound {
  readonly name: BoundName;
  readonly now: number;
  /** Null when nothing but the connections bounds it. */
  readonly most: number | null;
}

export type BoundName = 'connections' | 'requestsInFlight' | 'requestsHeld' | 'eventStreams' | 'containers' | 'buildsWaiting' | 'sessions';

/** The copy of a project's repository. */
export interface MirrorFacts {
  readonly project: Project;
  /** When the last fetch that succeeded ended. */
  readonly refreshedAt: number | null;
  readonly branches: number;
  readonly tags: number;
  readonly fault: ReturnType<Source['fault']>;
}

export interface ServerFactsDeps {
  readonly machine: Pick<Machine, 'facts'>;
  readonly engine: Pick<ContainerEngine, 'describe' | 'protections'>;
  readonly loops: Pick<LoopBook, 'list'>;
  readonly failures: Pick<FailureBook, 'read'>;
  readonly builds: Pick<Builds, 'place' | 'size'>;
  readonly buildStore: Pick<BuildStore, 'active' | 'startedSince'>;
  readonly room: Pick<Room, 'count'>;
  readonly hold: Pick<Hold, 'waiting'>;
  readonly routing: Pick<RoutingTable, 'inFlight'>;
  readonly streams: Pick<EventStreams, 'count' | 'most'>;
  readonly sessions: Pick<SessionRecords, 'count'>;
  readonly connections: Server['connections'];
  readonly sources: ReadonlyMap<Project['name'], Source>;
  readonly clock: Clock;
  readonly limits: { readonly queue: QueueLimits; readonly held: number; readonly sessions: number; readonly connections: number; readonly running: number };
}

/** Reads all of it now, of builds and mirrors those of the given projects; an engine that is away is a fact like any other. */
export type ReadServerFacts = (projects: readonly Project[]) => Promise<ServerFacts>;

/** A page about what hangs must not hang itself. */
const ENGINE_WITHIN_MS = 3_000;
const MINUTE_MS = 60_000;

export function createReadServerFacts(deps: ServerFactsDeps): ReadServerFacts {
  return async (projects) => {
    const [machine, engine, queue, bounds] = await Promise.all([deps.machine.facts(), readEngine(deps), readQueue(deps, projects), readBounds(deps)]);
    return { machine, engine, loops: deps.loops.list().filter(({ project }) => project === null || projects.some(({ name }) => name === project)), queue, bounds, failures: deps.failures.read(), mirrors: projects.map((project) => mirrorOf(project, deps)) };
  };
}

async function readEngine({ engine, clock }: ServerFactsDeps): Promise<EngineFacts> {
  const error = () => new AppError('engine_timeout', `The container engine did not answer within ${ENGINE_WITHIN_MS / 1_000} s.`);
  try {
    const [description, protections] = await withDeadline(() => Promise.all([engine.describe(), engine.protections()]), { ms: ENGINE_WITHIN_MS, clock, error });
    return { description, protections, error: null };
  } catch (thrown) {
    return { description: null, protections: [], error: toAppError(thrown).message };
  }
}

async function readQueue({ builds, buildStore, clock, limits }: ServerFactsDeps, projects: readonly Project[]): Promise<QueueFacts> {
  const { concurrency, perMinute, queue } = limits.queue;
  const shown = (await buildStore.active()).filter((build) => projects.some(({ name }) => name === build.project));
  const placed = shown.map((build) => ({ build, position: builds.place(build.id)?.position }));
  return {
    building: placed.filter(({ position }) => position === 0).map(({ build }) => build),
    waiting: placed.flatMap(({ build, position = 0 }) => (position > 0 ? [{ build, position }] : [])).sort((a, b) => a.position - b.position),
    startedLastMinute: await buildStore.startedSince(clock.now() - MINUTE_MS), limits: { concurrency, perMinute, queue },
  };
}

async function readBounds({ connections, routing, hold, streams, room, builds, sessions, limits }: ServerFactsDeps): Promise<readonly Bound[]> {
  return [
    { name: 'connections', now: await connections(), most: limits.connections },
    { name: 'requestsInFlight', now: routing.inFlight, most: null },
    { name: 'requestsHeld', now: hold.waiting, most: limits.held },
    { name: 'eventStreams', now: streams.count, most: streams.most },
    { name: 'containers', now: room.count, most: limits.running },
    { name: 'buildsWaiting', now: builds.size().waiting, most: limits.queue.queue },
    { name: 'sessions', now: await sessions.count(), most: limits.sessions },
  ];
}

function mirrorOf(project: Project, { sources }: Pick<ServerFactsDeps, 'sources'>): MirrorFacts {
  const source = sources.get(project.name);
  const { refs = [], branches = [] } = source?.refs() ?? {};
  return { project, refreshedAt: source?.refreshedAt() ?? null, branches: branches.length, tags: refs.length - branches.length, fault: source?.fault() ?? null };
}

import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createHash } from 'node:crypto';
import { AppError } from '../../src/domain/errors.js';
import type { ContainerId, ImageId, InstanceId } from '../../src/domain/ids.js';
import type { Target } from '../../src/domain/target.js';
import type { ContainerEngine, ContainerExit, ContainerSpec, EngineContainer, EngineEvent, ListeningPort, OutputLine, OutputOptions } from '../../src/engine/port.js';
import type { Clock } from '../../src/kernel/clock.js';

/** What runs in a container of the fake. */
export interface FakeProgram {
  /** Answers on a real server on 127.0.0.1; without it, the target is an address that nobody has. */
  readonly serve?: RequestListener;
  /** Answers on this port of 127.0.0.1, where a server of the test's own listens: one whose every byte it decides on. */
  readonly at?: number;
  readonly lines?: readonly string[];
  /** Ends at once, after its lines. */
  readonly exits?: { readonly code: number; readonly outOfMemory?: boolean };
  /** The engine refuses to start it, in these words. */
  readonly refused?: string;
  /** Goes on after SIGTERM. */
  readonly deaf?: boolean;
  readonly listens?: readonly ListeningPort[];
}

type Verbs = Pick<ContainerEngine, 'start' | 'inspect' | 'list' | 'waitForExit' | 'listeningPorts' | 'output' | 'stop' | 'pause' | 'resume' | 'remove'>;

export interface FakeContainers {
  readonly verbs: Verbs;
  readonly program: (spec: ContainerSpec) => FakeProgram | undefined;
  readonly exit: (id: ContainerId, code: number, lines?: readonly string[]) => void;
  readonly print: (id: ContainerId, text: string, stream?: OutputLine['stream']) => void;
  /** Gives a running container another address, as cutting it off its network and connecting it again does. */
  readonly readdress: (id: ContainerId, target: Target) => void;
  /** Ends what waits and follows, as a broken connection does. */
  disconnect(): void;
  usersOf(image: ImageId): number;
  readonly close: () => Promise<void>;
}

interface Entry {
  readonly id: ContainerId;
  readonly spec: ContainerSpec;
  readonly program: FakeProgram;
  target: Target;
  readonly server: Server | undefined;
  readonly startedAt: number;
  readonly output: OutputLine[];
  exit: ContainerExit | null;
  /** What came in while it was frozen; undefined while it is not. */
  frozen: (() => void)[] | undefined;
}

export interface FakeContainerDeps extends Pick<FakeContainers, 'program'> {
  readonly instance: InstanceId;
  readonly clock: Clock;
  readonly hasImage: (id: ImageId) => boolean;
  readonly emit: (event: EngineEvent) => void;
}

export function createFakeContainers({ instance, clock, program, hasImage, emit }: FakeContainerDeps): FakeContainers {
  const entries = new Map<ContainerId, Entry>();
  /** Woken at every change, with whether the connection broke. */
  const sleepers = new Set<(broken: boolean) => void>();
  let started = 0;

  const wake = (broken = false) => {
    const woken = [...sleepers];
    sleepers.clear();
    woken.forEach((wakeOne) => { wakeOne(broken); });
  };
  /** @returns whether the connection broke */
  const nextChange = (signal: AbortSignal | undefined) => new Promise<boolean>((resolve) => {
    const done = (broken: boolean) => { sleepers.delete(done); signal?.removeEventListener('abort', onAbort); resolve(broken); };
    const onAbort = () => { done(false); };
    if (signal?.aborted) { resolve(false); return; }
    sleepers.add(done);
    signal?.addEventListener('abort', onAbort, { once: true });
  });

  const closeServer = (server: Server | undefined) => new Promise<void>((resolve) => {
    if (!server?.listening) { resolve(); return; }
    server.close(() => { resolve(); });
    server.closeAllConnections();
  });

  const end = async (entry: Entry | undefined, exit: ContainerExit, byHand: boolean) => {
    if (!entry || entry.exit) return;
    entry.exit = exit;
    emit({ kind: 'container-lost', container: entry.id, byHand });
    wake();
    await closeServer(entry.server);
  };

  const removeEntry = async (id: ContainerId) => {
    const entry = entries.get(id);
    if (!entry) return;
    entries.delete(id);
    const ended = end(entry, { code: 137, outOfMemory: false, message: null }, true);
    emit({ kind: 'container-lost', container: id, byHand: true });
    wake();
    await ended;
  };

  const print: FakeContainers['print'] = (id, text, stream = 'stdout') => {
    entries.get(id)?.output.push({ at: new Date(clock.now()).toISOString(), stream, text });
    wake();
  };

  const start: Verbs['start'] = async (spec) => {
    const number = ++started;
    if (!hasImage(spec.image)) throw new AppError('start_failed', `The engine could not start the container: no such image: ${spec.image}`);
    const plan = program(spec) ?? {};
    for (const { id, spec: other } of entries.values()) {
      if (other.project === spec.project && other.release === spec.release && other.process === spec.process) await removeEntry(id);
    }
    if (plan.refused !== undefined) throw new AppError('start_failed', `The engine could not start the container: ${plan.refused}`);
    const serve: RequestListener = (req, res) => {
      const frozen = entries.get(id)?.frozen;
      if (frozen) frozen.push(() => { serve(req, res); });
      else plan.serve?.(req, res);
    };
    const server = plan.serve && !plan.exits ? await listen(serve) : undefined;
    const id = createHash('sha256').update(`${instance} ${number}`).digest('hex') as ContainerId;
    const answering = plan.at ?? (server?.address() as AddressInfo | null | undefined)?.port;
    const target = answering !== undefined ? { address: '127.0.0.1', port: answering } : { address: `10.213.${number >> 8}.${number & 255}`, port: spec.port };
    entries.set(id, { id, spec, program: plan, target, server, startedAt: clock.now(), output: [], exit: null, frozen: undefined });
    for (const line of plan.lines ?? []) print(id, line);
    if (plan.exits) await end(entries.get(id), { code: plan.exits.code, outOfMemory: plan.exits.outOfMemory ?? false, message: null }, false);
    return { id, target };
  };

  const waitForExit: Verbs['waitForExit'] = async (id, signal) => {
    while (!signal.aborted) {
      const entry = entries.get(id);
      if (!entry) return undefined;
      if (entry.exit) return entry.exit;
      if (await nextChange(signal)) return undefined;
    }
    return undefined;
  };

  async function* output(id: ContainerId, { tail, follow, signal }: OutputOptions) {
    const entry = entries.get(id);
    if (!entry) return;
    for (let at = Math.max(0, entry.output.length - tail); signal?.aborted !== true;) {
      const lines = entry.output.slice(at);
      yield* lines;
      at += lines.length;
      if (at < entry.output.length) continue;
      if (!follow || entry.exit || await nextChange(signal)) return;
    }
  }

  const stop: Verbs['stop'] = async (id, graceMs) => {
    const entry = entries.get(id);
    if (!entry || entry.exit) return;
    if (entry.program.deaf) await clock.sleep(graceMs);
    await end(entry, { code: entry.program.deaf ? 137 : 143, outOfMemory: false, message: null }, true);
  };

  return {
    program,
    print,
    exit: (id, code, lines = []) => {
      lines.forEach((line) => { print(id, line); });
      void end(entries.get(id), { code, outOfMemory: false, message: null }, false);
    },
    readdress: (id, target) => {
      const entry = entries.get(id);
      if (entry) entry.target = target;
      emit({ kind: 'container-lost', container: id, byHand: false });
    },
    disconnect: () => { wake(true); },
    usersOf: (image) => [...entries.values()].filter((entry) => entry.spec.image === image).length,
    close: async () => { await Promise.all([...entries.values()].map((entry) => closeServer(entry.server))); },
    verbs: {
      pause: async (id) => {
        const entry = entries.get(id);
        if (!entry || entry.exit) return false;
        if (!entry.frozen) emit({ kind: 'container-paused', container: id });
        entry.frozen ??= [];
        return true;
      },
      resume: async (id) => {
        const entry = entries.get(id);
        if (!entry || entry.exit) return false;
        const { frozen } = entry;
        entry.frozen = undefined;
        if (frozen) emit({ kind: 'container-resumed', container: id });
        frozen?.forEach((goOn) => { goOn(); });
        return true;
      },
      start, waitForExit, output, stop,
      inspect: async (id) => { const entry = entries.get(id); return entry && describe(entry); },
      list: async () => [...entries.values()].map(describe),
      listeningPorts: async (id) => {
        const entry = entries.get(id);
        if (!entry || entry.exit) return undefined;
        return entry.program.listens ?? (entry.server ? [{ port: entry.spec.port, loopbackOnly: false }] : []);
      },
      remove: removeEntry,
    },
  };
}

function describe({ id, spec, target, exit, startedAt, frozen }: Entry): EngineContainer {
  const { project, release, commit, build, environment, process, image } = spec;
  return { id, project, release, commit, build, environment, process, image, running: exit === null, paused: exit === null && frozen !== undefined, target: exit ? null : target, exit, startedAt };
}

async function listen(listener: RequestListener): Promise<Server> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  return server;
}

import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { AppError } from '../../src/domain/errors.js';
import type { Project } from '../../src/domain/project.js';
import type { EventStreams } from '../../src/kernel/event-stream.js';
import type { Answers } from '../../src/serve/answers.js';
import { createHold } from '../../src/serve/hold.js';
import { createServer, type ServerDeps } from '../../src/serve/server.js';
import type { Visit, VisitView } from '../../src/serve/visits.js';
import { createFakeClock } from '../support/fake-clock.js';
import { createQuietLog } from '../support/quiet-log.js';
import { connectRaw } from '../support/raw-http.js';
import { until } from '../support/until.js';

const KIB = 1024;
const MOST_OF_A_CONNECTION = 100;
const HELD = { project: {} as Project, name: { kind: 'branch', slug: 'a', environment: null } as never, projectHost: 'localhost', forward: () => true };

/** Keeps for one preview that never opens, and remembers how each was refused, in order. */
function createFullHold({ most = 10, mostBytes = 200 * KIB } = {}) {
  const refused: string[] = [];
  const visit = { label: 'branch-a', open: () => new Promise<void>(() => undefined), view: () => Promise.resolve({ waiting: { state: 'building' } } as VisitView) } as Visit;
  const failure = (_failed: unknown, { code, message }: AppError) => { refused.push(`${code}: ${message}`); };
  const hold = createHold({
    visits: { find: () => Promise.resolve(visit), homes: () => Promise.resolve([]) }, answers: { failure, upgradeFailure: failure.bind(undefined, undefined) } as unknown as Answers,
    clock: createFakeClock(), streams: {} as EventStreams, limits: { navigationMs: 1_000, requestMs: 30_000, most, mostBytes }, urlOf: () => '',
  });
  let asked = 0;
  const settled = () => until(() => hold.waiting + refused.length === asked, 'each waits or is refused');
  return {
    hold, refused, settled,
    /** One request on a connection, behind all that were asked for on it before. */
    ask: (socket: EventEmitter, headers: Readonly<Record<string, string>> = {}) => {
      asked += 1;
      const pipelined = Object.assign(new EventEmitter(), { socket: null });
      void hold.request({ url: '/', method: 'POST', headers, socket } as unknown as IncomingMessage, pipelined as unknown as ServerResponse, HELD);
    },
    upgrade: (head: Buffer) => {
      asked += 1;
      void hold.upgrade(new EventEmitter() as Socket, { ...HELD, requestId: 'r', head });
    },
  };
}

/** A connection, as far as it is listened to. */
const connection = () => Object.assign(new EventEmitter(), { setMaxListeners: () => undefined });

describe('INV7: held requests are bounded', () => {
  const large = { 'content-length': String(1024 ** 3) };

  /** Each on a connection of its own. @returns how many were refused */
  async function refusals(headers: readonly Readonly<Record<string, string>>[]): Promise<number> {
    const { ask, settled, refused } = createFullHold();
    for (const each of headers) ask(connection(), each);
    await settled();
    expect(refused.every((why) => why.startsWith('too_busy: '))).toBe(true);
    return refused.length;
  }

  it('by what is read of their bodies before anybody wants them', async () => {
    expect(await refusals([large, { 'transfer-encoding': 'chunked' }, large, large])).toBe(1);
    expect(await refusals([large, large, large, {}, { 'content-length': '100' }])).toBe(0);
  });

  it('by their number where they are small', async () => {
    expect(await refusals(Array.from({ length: 12 }, () => ({})))).toBe(2);
  });

  it('by what came behind a request for an upgrade, and what may still come before the rest is held back', async () => {
    const { upgrade, ask, settled, refused } = createFullHold({ mostBytes: 256 * KIB });
    for (const bytes of [60 * KIB, 10 * KIB]) upgrade(Buffer.alloc(bytes));
    await settled();
    expect(refused).toEqual([]);
    upgrade(Buffer.alloc(0));
    await settled();
    expect(refused).toEqual(['too_busy: 2 requests wait already.']);
    ask(connection());
    await settled();
    expect(refused).toHaveLength(1);
  });

  it('for each connection, whatever others have', async () => {
    const { ask, settled, refused, hold } = createFullHold({ most: 5_000 });
    const [greedy, other] = [connection(), connection()];
    for (let n = 0; n < MOST_OF_A_CONNECTION + 20; n += 1) ask(greedy);
    for (let n = 0; n < MOST_OF_A_CONNECTION; n += 1) ask(other);
    await settled();
    expect(hold.waiting).toBe(2 * MOST_OF_A_CONNECTION);
    expect(refused).toEqual(Array.from({ length: 20 }, () => `too_busy: ${MOST_OF_A_CONNECTION} requests of this connection wait already.`));
    greedy.emit('close');
    await until(() => hold.waiting === MOST_OF_A_CONNECTION, 'those that left are let go of');
  });
});

describe('H3, INV7: the server', () => {
  it('hands over what came behind a request for an upgrade', async () => {
    const heads: string[] = [];
    const meaning = { kind: 'preview', project: HELD.project, name: HELD.name, projectHost: 'localhost', host: 'branch-a.localhost' } as const;
    const server = createServer({
      listen: { address: '127.0.0.1', port: 0 }, routing: { find: () => undefined }, hosts: { read: () => meaning }, callers: { settleHost: () => undefined, requestIdOf: () => 'r' },
      hold: { upgrade: (socket: Socket, { head }: { head: Buffer }) => { heads.push(head.toString()); socket.destroy(); return Promise.resolve(); } },
      clock: createFakeClock(), log: createQuietLog(), drainMs: 0, forward: { close: () => undefined },
    } as unknown as ServerDeps);
    await server.start();
    try {
      using client = await connectRaw(server.port());
      client.send('GET / HTTP/1.1\r\nHost: branch-a.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly');
      await until(() => heads.length === 1, 'it is held');
      expect(heads).toEqual(['early']);
    } finally {
      await server.stop();
    }
  });
});

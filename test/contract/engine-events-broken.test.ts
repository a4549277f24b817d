import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { InstanceId } from '../../src/domain/ids.js';
import { createDockerEngine } from '../../src/engine/docker.js';
import type { EngineEvent } from '../../src/engine/port.js';
import { log } from '../support/engine-world.js';
import { createFakeClock } from '../support/fake-clock.js';
import { until } from '../support/until.js';

const instance = 'abcdef01' as InstanceId;
const GAP: EngineEvent = { kind: 'gap' };
const MINUTE = 60_000;

const died = (id: string, time: number, labels: Record<string, string> = {}) =>
  `${JSON.stringify({ Type: 'container', Action: 'die', Actor: { ID: id, Attributes: { 'slipway.instance': instance, ...labels } }, time })}\n`;
const lost = (id: string): EngineEvent => ({ kind: 'container-lost', container: id as never, byHand: false });

/** An engine that knows events only, there from the start or later, and somebody who listens, on a clock that the test moves. */
async function enter(answer: (request: IncomingMessage, response: ServerResponse, connection: number) => void, isThere = true) {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-engine-'));
  const path = join(folder, 'docker.sock');
  const asked: URLSearchParams[] = [];
  const server: Server = createServer((request, response) => {
    asked.push(new URL(request.url ?? '', 'http://engine').searchParams);
    answer(request, response, asked.length);
  });
  const fake = createFakeClock();
  const pauses: number[] = [];
  const clock = { ...fake, sleep: (ms: number, signal?: AbortSignal) => { pauses.push(ms); return fake.sleep(ms, signal); } };
  const engine = createDockerEngine({ instance, search: { dockerHost: `unix://${path}`, home: '/nowhere' }, clock, log, deadlines: { read: 10 * MINUTE } });
  const listen = () => new Promise<void>((resolve) => { server.listen(path, resolve); });
  if (isThere) await listen();
  const over = new AbortController();
  const events: EngineEvent[] = [];
  const listening = (async () => { for await (const event of engine.watch(over.signal)) events.push(event); })();
  const stop = async () => { over.abort(); await listening; };
  return {
    events, asked, stop, listen, clock: fake,
    /** The pauses between two attempts, without the deadlines of the attempts themselves. */
    pauses: () => pauses.filter((ms) => ms < 10 * MINUTE),
    heard: (count: number) => until(() => events.length >= count, `${count} events`),
    [Symbol.asyncDispose]: async () => {
      await stop();
      server.closeAllConnections();
      if (server.listening) await new Promise<void>((resolve) => { server.close(() => { resolve(); }); });
      await rm(folder, { recursive: true, force: true });
    },
  };
}

describe('a stream of events that breaks', () => {
  it.each<[string, (response: ServerResponse) => void]>([
    ['ends as if all were said', (response) => { response.end(); }],
    ['is cut', (response) => { response.destroy(); }],
    ['is cut in the middle of a line', (response) => { response.write('{"Type":"container","Act', () => response.destroy()); }],
  ])('K8: one that %s is asked for again from before the last event, and says that there was a gap', async (_how, end) => {
    await using world = await enter((_request, response, connection) => {
      if (connection === 1) response.write(died('one', 1_000), () => { end(response); });
      else response.write(died('two', 1_001));
    });
    await until(() => world.pauses().length === 1, 'it pauses');
    await world.clock.advance(1_000);
    await world.heard(4);
    expect(world.events).toEqual([GAP, lost('one'), GAP, lost('two')]);
    expect(world.asked.map((query) => query.get('since'))).toEqual([null, '998']);
  });

  it('K8: before the first event it is asked for from the engine’s own time on', async () => {
    await using world = await enter((_request, response, connection) => {
      response.setHeader('Date', new Date(5_000_000).toUTCString());
      response.flushHeaders();
      if (connection === 1) response.end();
    });
    await until(() => world.pauses().length === 1, 'it pauses');
    await world.clock.advance(1_000);
    await world.heard(2);
    expect(world.asked.map((query) => query.get('since'))).toEqual([null, '4998']);
  });

  it('asks for what it needs and no more', async () => {
    await using world = await enter((_request, response) => { response.flushHeaders(); });
    await world.heard(1);
    expect(JSON.parse(world.asked[0]?.get('filters') ?? '')).toEqual({
      type: ['container', 'image', 'network'], event: ['pause', 'unpause', 'kill', 'die', 'destroy', 'remove', 'delete', 'untag', 'disconnect'],
    });
  });

  it('K7: while the engine is away it is tried again ever less often, at least twice a minute, and never at once', async () => {
    await using world = await enter((_request, response) => { response.flushHeaders(); }, false);
    for (let passed = 0; passed < 5 * MINUTE; passed += 500) await world.clock.advance(500);
    const pauses = world.pauses();
    expect(pauses.length).toBeGreaterThan(10);
    pauses.forEach((ms, n) => {
      const most = Math.min(30_000, 100 * 2 ** n);
      expect(ms).toBeGreaterThanOrEqual(most / 2);
      expect(ms).toBeLessThanOrEqual(most);
    });
    expect(new Set(pauses.slice(-5)).size).toBe(5);
    await world.listen();
    await world.clock.advance(30_000);
    await world.heard(1);
    expect(world.events).toEqual([GAP]);
  });

  it('K8: an engine that breaks each stream at once is not asked all the time', async () => {
    await using world = await enter((_request, response, connection) => { if (connection === 9) response.flushHeaders(); else response.end(); });
    for (let connection = 1; connection < 9; connection += 1) {
      await until(() => world.pauses().length === connection, 'it pauses');
      await world.clock.advance(world.pauses().at(-1) ?? 0);
    }
    await until(() => world.asked.length === 9, 'it is asked for the ninth time');
    expect(world.pauses().at(-1)).toBeGreaterThanOrEqual(100 * 2 ** 7 / 2);
  });

  it('K9: an engine that takes the question and never answers is asked again after the deadline', async () => {
    await using world = await enter((_request, response, connection) => { if (connection > 1) response.flushHeaders(); });
    await until(() => world.asked.length === 1, 'it is asked');
    await world.clock.advance(10 * MINUTE);
    await world.clock.advance(1_000);
    await world.heard(1);
    expect(world.asked).toHaveLength(2);
  });

  it('E22: lines that are none end nothing: each is a gap', async () => {
    const bad = ['Internal Server Error', '{"Type":', 'null', '[]', '"die"', '{"Type":"container","Action":7}', '\u0000', `"${'x'.repeat(3 * 1024 * 1024)}"`];
    await using world = await enter((_request, response) => { response.write(`${bad.join('\n')}\n\n${died('one', 1)}`); });
    await world.heard(bad.length + 2);
    expect(world.events).toEqual([GAP, ...bad.map(() => GAP), lost('one')]);
  });

  it('an event is read whole although it comes in pieces, or carries long labels that anybody may write', async () => {
    const text = Buffer.from(died('one', 1, { note: 'Äpfel und Öl 🍏' }) + died('two', 2, { note: 'y'.repeat(200 * 1024) }));
    await using world = await enter((_request, response) => {
      for (let at = 0; at < 200; at += 1) response.write(text.subarray(at, at + 1));
      response.write(text.subarray(200));
    });
    await world.heard(3);
    expect(world.events).toEqual([GAP, lost('one'), lost('two')]);
  });

  it('ends at once while the engine is away', async () => {
    await using world = await enter(() => undefined, false);
    await until(() => world.pauses().length === 1, 'it pauses');
    await world.stop();
    expect(world.events).toEqual([]);
    expect(world.clock.sleepers).toBe(0);
  });
});

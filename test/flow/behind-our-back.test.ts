import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import type { EngineContainer } from '../../src/engine/port.js';
import { eventually } from '../support/eventually.js';
import { echo, startTestApp, type TestApp } from '../support/test-app.js';

const JSON_ONLY = { headers: { accept: 'application/json' } } as const;
const calls = ({ engine }: TestApp) => ({ build: engine.calls.build, start: engine.calls.start });

async function onlyContainer({ engine }: TestApp): Promise<EngineContainer> {
  const [container] = await engine.list();
  if (!container) throw new Error('nothing runs');
  return container;
}

const becomes = (app: TestApp, word: string) =>
  eventually(async () => (await app.control('/status?branch=main')).text === word, { what: `/status says ${word}` });

/** A server that is no container's, or will be. */
async function listen(listener: RequestListener, port = 0) {
  const server = createServer(listener);
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    server, port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Asks again and again until it is told to end. @returns the statuses that were answered */
function startTraffic(app: TestApp, host: string, width: number) {
  let isOver = false;
  const statuses: number[] = [];
  const visitor = async () => { while (!isOver) statuses.push((await app.get(host, '/', JSON_ONLY)).status); };
  const all = Promise.all(Array.from({ length: width }, visitor));
  return { statuses, stop: async () => { isOver = true; await all; return statuses; } };
}

describe('D9b: an image that is removed behind our back', () => {
  it('is not built any more, as far as /status knows, and the next visit builds it', async () => {
    await using app = await startTestApp();
    const host = app.commitHost(app.repository.head());
    await app.get(host, '/');
    const { id, image } = await onlyContainer(app);
    expect((await app.control('/status?branch=main')).text).toBe('Ready');
    await app.engine.remove(id);
    await becomes(app, 'NeedsPriming');
    await app.engine.removeImage(image);
    await becomes(app, 'NotBuilt');
    expect((await app.control('/api/status?branch=main')).json()).toMatchObject({ status: 'unknown', lastError: null });
    expect((await app.get(host, '/')).status).toBe(200);
    expect(calls(app)).toEqual({ build: 2, start: 2 });
  });

  it('and is seen to be gone after events were missed', async () => {
    await using app = await startTestApp();
    await app.get(app.commitHost(app.repository.head()), '/');
    const { id, image } = await onlyContainer(app);
    app.engine.cutEvents();
    await app.engine.remove(id);
    await app.engine.removeImage(image);
    expect((await app.control('/status?branch=main')).text).toBe('Ready');
    app.engine.mendEvents();
    await becomes(app, 'NotBuilt');
  });

  it('and still is there under another name: a preview that runs goes on, and nothing is built', async () => {
    await using app = await startTestApp();
    const host = app.commitHost(app.repository.head());
    await app.get(host, '/');
    const { id, image } = await onlyContainer(app);
    const asked = app.engine.calls.image;
    app.engine.untag(image);
    await eventually(() => app.engine.calls.image > asked, { what: 'it is looked for' });
    expect((await app.control('/status?branch=main')).text).toBe('Ready');
    await app.engine.remove(id);
    await becomes(app, 'NeedsPriming');
    expect((await app.get(host, '/')).status).toBe(200);
    expect(calls(app)).toEqual({ build: 1, start: 2 });
  });
});

describe('K20: a container that is removed behind our back', () => {
  it('costs no request, and is no failure of the application', async () => {
    await using app = await startTestApp();
    const host = app.commitHost(app.repository.head());
    await app.get(host, '/');
    for (let round = 0; round < 5; round += 1) {
      await app.engine.remove((await onlyContainer(app)).id);
      expect((await app.get(host, '/', JSON_ONLY)).status).toBe(200);
    }
    expect((await app.control('/api/status?branch=main')).json()).toMatchObject({ status: 'running', lastError: null });
    expect(calls(app)).toEqual({ build: 1, start: 6 });
  });

  it('costs no request under traffic either: what was in flight and can be sent again is', async () => {
    await using app = await startTestApp();
    const host = app.commitHost(app.repository.head());
    await app.get(host, '/');
    const traffic = startTraffic(app, host, 20);
    for (let round = 1; round <= 3; round += 1) {
      const before = traffic.statuses.length;
      await eventually(() => traffic.statuses.length > before + 40, { what: 'there is traffic' });
      await app.engine.remove((await onlyContainer(app)).id);
      await eventually(async () => app.engine.calls.start === round + 1 && (await app.engine.list()).length === 1, { what: 'it runs again' });
    }
    expect(new Set(await traffic.stop())).toEqual(new Set([200]));
    expect(calls(app)).toEqual({ build: 1, start: 4 });
  });

  it('costs no request when its end is told to nobody: a dial that fails has the container looked at', async () => {
    await using app = await startTestApp();
    const host = app.commitHost(app.repository.head());
    await app.get(host, '/');
    app.engine.cutEvents();
    await app.engine.remove((await onlyContainer(app)).id);
    expect((await app.get(host, '/', JSON_ONLY)).status).toBe(200);
    expect(calls(app)).toEqual({ build: 1, start: 2 });
  });

  it('leaves what must not be sent twice to its sender: a body that has begun is answered with 502, once', async () => {
    await using app = await startTestApp();
    const host = app.commitHost(app.repository.head());
    await app.get(host, '/');
    app.engine.cutEvents();
    await app.engine.remove((await onlyContainer(app)).id);
    const statuses: number[] = [];
    for (let n = 0; n < 3; n += 1) statuses.push((await app.get(host, '/', { method: 'POST', body: 'x', ...JSON_ONLY })).status);
    expect(statuses).toEqual([502, 200, 200]);
  });

  it('lets a WebSocket through to the one that takes its place', async () => {
    await using upstream = await listen((_req, res) => { res.end('ok'); });
    const sockets = new WebSocketServer({ noServer: true });
    upstream.server.on('upgrade', (req, socket, head) => { sockets.handleUpgrade(req, socket, head, (client) => { client.on('message', (data) => { client.send(data); }); }); });
    let starts = 0;
    await using app = await startTestApp({ program: (spec) => ((starts += 1) === 1 ? { serve: echo(spec) } : { at: upstream.port }) });
    const host = app.commitHost(app.repository.head());
    await app.get(host, '/');
    app.engine.cutEvents();
    await app.engine.remove((await onlyContainer(app)).id);
    const client = new WebSocket(`ws://127.0.0.1:${app.port}/`, { headers: { host } });
    await once(client, 'open');
    client.send('hello');
    expect(String((await once(client, 'message'))[0])).toBe('hello');
    client.terminate();
    for (const each of sockets.clients) each.terminate();
  });

  it('starts twice at most for a request that ends the application, and says so', async () => {
    await using app = await startTestApp({
      program: (spec) => ({ serve: (req, res) => { if (req.url === '/poison') void endSoon(app, req); else echo(spec)(req, res); } }),
    });
    const host = app.commitHost(app.repository.head());
    await app.get(host, '/');
    expect((await app.get(host, '/poison', JSON_ONLY)).status).toBe(502);
    expect(app.engine.calls.start).toBe(2);
    await eventually(async () => (await app.control('/api/status?branch=main')).json().status === 'error', { what: 'the crash is noted' });
    expect((await app.get(host, '/', JSON_ONLY)).status).toBe(200);
  });
});

/** The program ends, its connections first. */
async function endSoon({ engine }: TestApp, req: IncomingMessage): Promise<void> {
  for (const { id } of await engine.list()) engine.exit(id, 1, ['poisoned']);
  req.socket.destroy();
}

describe('K20: a network that is removed behind our back', () => {
  it('is made again by the next start', async () => {
    await using app = await startTestApp();
    const host = app.commitHost(app.repository.head());
    await app.get(host, '/');
    const { id, project } = await onlyContainer(app);
    await app.engine.remove(id);
    app.engine.removeNetwork(project);
    expect(app.engine.networks).toEqual(new Set());
    expect((await app.get(host, '/')).status).toBe(200);
    expect(app.engine.networks).toEqual(new Set([project]));
  });
});

describe('INV3: an address that belongs to another preview now', () => {
  it('never gets a request of the preview that had it, though the end of that one was told to nobody', async () => {
    const hosts: string[] = [];
    await using shared = await listen((req, res) => { hosts.push(req.headers.host ?? ''); res.end('shared'); });
    const seen = new Set<number>();
    /** The first container of each of the two has the one address; a second one has its own. */
    const program: NonNullable<Parameters<typeof startTestApp>[0]>['program'] = (spec) => {
      const isFirst = !seen.has(spec.release);
      seen.add(spec.release);
      return isFirst ? { at: shared.port } : { serve: echo(spec) };
    };
    await using app = await startTestApp({ program, prepare: (repository) => { repository.commit({ other: 'other' }, { branch: 'other' }); } });
    const [first, other] = [app.repository.head('main'), app.repository.head('other')].map((commit) => app.commitHost(commit)) as [string, string];
    expect((await app.get(first, '/')).text).toBe('shared');
    app.engine.cutEvents();
    await app.engine.remove((await onlyContainer(app)).id);
    expect((await app.get(other, '/')).text).toBe('shared');
    hosts.length = 0;
    expect((await app.get(first, '/', JSON_ONLY)).json()).toMatchObject({ commit: app.repository.head('main') });
    expect((await app.get(other, '/')).text).toBe('shared');
    expect(hosts.map((host) => host.split(':')[0])).toEqual([other]);
  });

  it('gets no request while the engine is asked whose it is: all wait, and go to the new container', async () => {
    let dials = 0;
    await using app = await startTestApp({ settings: { 'hold.request': '20s' } });
    const host = app.commitHost(app.repository.head());
    await app.get(host, '/');
    const { id, target } = await onlyContainer(app);
    app.engine.cutEvents();
    await app.engine.remove(id);
    const answer = app.engine.hold('inspect');
    const first = app.get(host, '/', JSON_ONLY);
    await eventually(() => app.engine.calls.inspect > 0, { what: 'the engine is asked' });
    await using _squatter = await listen((_req, res) => { dials += 1; res.end('another preview'); }, target?.port);
    const others = Promise.all(['GET', 'POST', 'GET'].map((method) => app.get(host, '/', { method, ...JSON_ONLY, ...(method === 'POST' ? { body: 'kept' } : {}) })));
    // Whatever came before this is read by now.
    await app.control('/healthz');
    answer();
    expect((await first).status).toBe(200);
    expect((await others).map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(dials).toBe(0);
  });
});

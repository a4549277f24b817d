import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { containersWith, startForeignContainer, type ForeignContainer } from '../support/real-docker.js';
import { createSampleRepository, type SampleRepository } from '../support/sample-repository.js';
import { startServer, type ServerProcess } from '../support/server-process.js';

describe('a preview that nobody uses', () => {
  let sample: SampleRepository;
  let server: ServerProcess;
  let foreign: readonly ForeignContainer[];

  beforeAll(async () => {
    sample = await createSampleRepository();
    // One is nobody's; the other has a label of another server of the same project.
    foreign = [await startForeignContainer(), await startForeignContainer({ 'slipway.instance': 'deadbeef', 'slipway.project': sample.project })];
    server = await startServer({ repository: sample.path, args: ['--idle-stop', '2s'] });
  }, 120_000);

  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    for (const each of foreign) await each[Symbol.asyncDispose]();
    await sample[Symbol.asyncDispose]();
  }, 60_000);

  const labelOf = (branch: string) => `hash-${sample.branches[branch] ?? ''}`;
  const gone = async (branch = 'main') => {
    await eventually(async () => (await server.status(`branch=${branch}`)).status === 'stopped' && (await containersWith(server.label)).length === 0, { what: 'the idle container goes' });
  };

  it('loses its container and keeps its log', async () => {
    const opened = await server.get(`${labelOf('main')}.localhost`, '/');
    expect(opened.status).toBe(200);
    await gone();
    expect(await server.status('branch=main')).toMatchObject({ status: 'stopped', release: opened.headers['x-slipway-release'], lastError: null });
    const log = await server.get('localhost', `/api/previews/${labelOf('main')}/log`);
    expect([log.status, log.text]).toEqual([200, expect.stringMatching(/Z Sample shop listens on port 3000\n[^]*Z SIGTERM: closing\n/)]);
    const page = await server.visit('localhost', `/previews/${labelOf('main')}`);
    expect(page.status).toBe(200);
    expect(page.text).toContain('Sample shop listens on port 3000');
    expect((await server.get('localhost', '/status?branch=main')).text).toBe('NeedsPriming');
  }, 90_000);

  it('comes back when it is opened again, from the same release and without a build', async () => {
    const before = await server.get(`${labelOf('main')}.localhost`, '/');
    await gone();
    const builds = await server.get('localhost', '/api/builds');
    const after = await server.visit(`${labelOf('main')}.localhost`, '/form').then(async (first) =>
      first.status === 200 ? first : server.get(`${labelOf('main')}.localhost`, '/form'));
    expect(after.status).toBe(200);
    expect(after.text).toContain('What would you like?');
    expect(after.headers['x-slipway-release']).toBe(before.headers['x-slipway-release']);
    expect((await server.get('localhost', '/api/builds')).text).toBe(builds.text);
  }, 90_000);

  it('stays while a stream is open, and goes once it is closed', async () => {
    const reading = new AbortController();
    const stream = await server.open(`${labelOf('realtime')}.localhost`, '/events', { signal: reading.signal });
    let seen = '';
    for await (const chunk of stream) {
      seen += String(chunk);
      // Five seconds of one stream: more than twice the limit.
      if (seen.includes('id: 6\n')) break;
    }
    expect((await containersWith(server.label)).map(({ Labels }) => Labels['slipway.commit'])).toContain(sample.branches.realtime);
    reading.abort();
    await gone('realtime');
    expect(seen).toContain('id: 6\n');
  }, 90_000);

  it('is not kept awake or woken by who only asks about it', async () => {
    await server.get(`${labelOf('main')}.localhost`, '/');
    await gone();
    const head = await server.get(`${labelOf('main')}.localhost`, '/', { method: 'HEAD' });
    expect([head.status, head.headers['retry-after']]).toEqual([503, '2']);
    expect(await server.status('branch=main')).toMatchObject({ status: 'stopped' });
    expect(await containersWith(server.label)).toEqual([]);
  }, 90_000);

  it('goes without a container of anybody else being touched, and after a restart as well', async () => {
    const since = await Promise.all(foreign.map((each) => each.runningSince()));
    await server.get(`${labelOf('main')}.localhost`, '/');
    await gone();
    await server.kill('SIGTERM');
    await server.restart();
    expect((await server.get(`${labelOf('main')}.localhost`, '/')).status).toBe(200);
    await gone();
    expect(since).not.toContain(undefined);
    expect(await Promise.all(foreign.map((each) => each.runningSince()))).toEqual(since);
  }, 90_000);
});

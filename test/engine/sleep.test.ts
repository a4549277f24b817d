import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { containersWith, docker } from '../support/real-docker.js';
import { createSampleRepository, type SampleRepository } from '../support/sample-repository.js';
import { startServer, type ServerProcess } from '../support/server-process.js';

describe('a preview that sleeps', () => {
  let sample: SampleRepository;
  let server: ServerProcess;

  beforeAll(async () => {
    sample = await createSampleRepository();
    server = await startServer({ repository: sample.path, args: ['--idle-sleep', '1s', '--idle-stop', '10m'] });
  }, 120_000);

  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await sample[Symbol.asyncDispose]();
  }, 60_000);

  const hostOf = (branch: string) => `hash-${sample.branches[branch] ?? ''}.localhost`;
  const containerOf = async (branch: string) => (await containersWith(server.label)).find(({ Labels }) => Labels['slipway.commit'] === sample.branches[branch]);
  const asleep = async (branch: string) => {
    await eventually(async () => (await containerOf(branch))?.State === 'paused', { what: 'it is frozen' });
    expect(await server.status(`branch=${branch}`)).toMatchObject({ status: 'sleeping' });
  };

  it('is frozen when nobody uses it, and goes on with what it had in memory', async () => {
    await server.get(hostOf('main'), '/');
    const before = await containerOf('main');
    await asleep('main');
    const answer = await server.get(hostOf('main'), '/form');
    expect([answer.status, answer.text.includes('What would you like?')]).toEqual([200, true]);
    expect((await containerOf('main'))?.Id).toBe(before?.Id);
  }, 60_000);

  it('answers 200 requests at once after its sleep, with bodies', async () => {
    await server.get(hostOf('main'), '/');
    await asleep('main');
    const answers = await Promise.all(Array.from({ length: 200 }, () => server.get(hostOf('main'), '/form', { method: 'POST', body: 'drink=tea', headers: { 'content-type': 'application/x-www-form-urlencoded' } })));
    expect(new Set(answers.map(({ status }) => status)).size).toBe(1);
    expect(answers[0]?.status).toBeLessThan(400);
  }, 60_000);

  it('does not sleep while a stream is open', async () => {
    const reading = new AbortController();
    const stream = await server.open(hostOf('realtime'), '/events', { signal: reading.signal });
    let seen = '';
    for await (const chunk of stream) {
      seen += String(chunk);
      if (seen.includes('id: 4\n')) break;
    }
    expect((await containerOf('realtime'))?.State).toBe('running');
    reading.abort();
    await asleep('realtime');
  }, 60_000);

  it('K20: is started anew when somebody kills it meanwhile, and goes on when somebody freezes what runs', async () => {
    await server.get(hostOf('main'), '/');
    await asleep('main');
    const { Id = '' } = await containerOf('main') ?? {};
    await docker.getContainer(Id).remove({ force: true });
    expect((await server.get(hostOf('main'), '/')).status).toBe(200);
    const again = await containerOf('main');
    expect(again?.Id).not.toBe(Id);
    await docker.getContainer(again?.Id ?? '').pause();
    expect((await server.get(hostOf('main'), '/')).status).toBe(200);
  }, 60_000);

  it('K6: is there again after the server was killed', async () => {
    await server.get(hostOf('main'), '/');
    await asleep('main');
    const before = await containerOf('main');
    await server.kill('SIGKILL');
    await server.restart();
    expect((await server.get(hostOf('main'), '/')).status).toBe(200);
    expect((await containerOf('main'))?.Id).toBe(before?.Id);
  }, 60_000);
});

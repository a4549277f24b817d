import { text } from 'node:stream/consumers';
import type { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { containersWith, docker } from '../support/real-docker.js';
import { createSampleRepository, unbuilt, type SampleRepository } from '../support/sample-repository.js';
import { startServer, type ServerProcess } from '../support/server-process.js';

const MANY = 1_000;

describe('K18: a thousand first requests at once', () => {
  let sample: SampleRepository;
  let server: ServerProcess;

  beforeAll(async () => {
    sample = await createSampleRepository();
    server = await startServer({ repository: sample.path, args: ['--hold-request', '60s'] });
  }, 120_000);

  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await sample[Symbol.asyncDispose]();
  }, 60_000);

  /** How often the engine did something to containers of this server between two moments, by verb. */
  const verbsSince = async (since: number) => {
    // With an end in the past the stream of events ends by itself.
    const events = await docker.getEvents({ since, until: Math.ceil(Date.now() / 1_000), filters: { type: ['container'], label: [server.label], event: ['create', 'start'] } });
    const lines = (await text(events as Readable)).split('\n').filter((line) => line !== '');
    return lines.map((line) => (JSON.parse(line) as { Action: string }).Action).sort();
  };

  const askAll = async (commit: string) => {
    const host = `hash-${commit}.localhost`;
    const answers = await Promise.all(Array.from({ length: MANY }, (_, number) => server.get(host, `/echo?n=${number}`)));
    const wrong = answers.filter((answer, number) => answer.status !== 200 || (JSON.parse(answer.text) as { url: string }).url !== `/echo?n=${number}`);
    return wrong.map(({ status, text: body }) => `${status} ${body.slice(0, 200)}`);
  };

  it('for a commit that nobody built make one build and one container, and all are answered by the application', async () => {
    const commit = await sample.commit('wanted', unbuilt());
    const since = Math.floor(Date.now() / 1_000);
    expect((await server.get('localhost', '/?branch=wanted')).status).toBe(302);
    expect(await askAll(commit)).toEqual([]);
    const builds = JSON.parse((await server.get('localhost', '/api/builds')).text) as { status: string }[];
    expect(builds.map(({ status }) => status)).toEqual(['succeeded']);
    expect(await containersWith(server.label)).toHaveLength(1);
    expect(await verbsSince(since)).toEqual(['create', 'start']);
  }, 120_000);
});

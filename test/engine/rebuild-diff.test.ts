import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { containersWith } from '../support/real-docker.js';
import { createSampleRepository, type SampleRepository } from '../support/sample-repository.js';
import { startServer, type ServerProcess } from '../support/server-process.js';

/** A file that no two builds make alike, and one that they do. */
const DOCKERFILE = `FROM slipway-demo/node
WORKDIR /app
COPY . .
RUN ["node", "-e", "fs.writeFileSync('/t', String(process.hrtime.bigint())); fs.writeFileSync('/same', 'x')"]
EXPOSE 3000
CMD ["node", "server.mjs"]
`;

interface Listed { readonly id: string; readonly commit: string; readonly status: string; readonly image: string; readonly noCache: boolean }

describe('a forced rebuild', () => {
  let sample: SampleRepository;
  let server: ServerProcess;
  let commit: string;

  const builds = async () => (JSON.parse((await server.get('localhost', '/api/builds')).text) as Listed[]).filter((build) => build.commit === commit);
  const rebuild = async (): Promise<Listed> => {
    const { status, text } = await server.get('localhost', `/?hash=${commit}&reset=1`, { headers: { authorization: `Bearer ${await server.token()}`, accept: 'application/json' } });
    expect([status, text]).toEqual([202, expect.any(String)]);
    return eventually(async () => (await builds()).find(({ noCache, status: is }) => noCache && is === 'succeeded'), { what: 'it is built again', withinMs: 60_000 });
  };

  beforeAll(async () => {
    sample = await createSampleRepository();
    commit = await sample.commit('rebuilt', { Dockerfile: DOCKERFILE });
    server = await startServer({ repository: sample.path });
    expect((await server.get(`hash-${commit}.localhost`, '/')).status).toBe(200);
  }, 120_000);

  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await sample[Symbol.asyncDispose]();
  }, 60_000);

  it('P12: of the same key names the files that differ, and nothing else, though the image ids never agree', async () => {
    const [first] = await builds();
    const again = await rebuild();
    expect(again.image).not.toBe(first?.image);
    const { status, text } = await server.get('localhost', `/api/builds/${again.id}/diff`);
    expect([status, JSON.parse(text)]).toEqual([200, { against: first?.id, added: [], removed: [], changed: ['t'], counts: { added: 0, removed: 0, changed: 1 } }]);
    const log = (await server.get('localhost', `/api/builds/${again.id}/log`)).text;
    expect(log).toContain(` Built again without cache; build ${first?.id ?? ''} made the same key before. To see which files differ: slipway view ${again.id} --diff\n`);
    expect((await containersWith(server.label)).filter(({ Labels }) => Labels['slipway.once'] === '1')).toEqual([]);
    expect((await server.get('localhost', `/api/builds/${first?.id ?? ''}/diff`)).status).toBe(404);
  }, 120_000);
});

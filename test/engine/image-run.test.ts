import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { appDockerfile, enterDocker, NEVER, requestFor, type EngineHome } from '../support/engine-world.js';
import { eventually } from '../support/eventually.js';
import { containersWith, docker, imagesWith } from '../support/real-docker.js';
import { pushImage, pushTagged, startRegistry, type TestRegistry } from '../support/registry.js';
import { createSampleRepository, type SampleRepository } from '../support/sample-repository.js';
import { startServer, type ServerProcess } from '../support/server-process.js';

const LABEL = { 'com.example.target': 'preview' };

describe('images of a registry', () => {
  let sample: SampleRepository;
  let home: EngineHome;
  let registry: TestRegistry;
  let server: ServerProcess;
  const query = (name: string, more = '') => `image=${encodeURIComponent(`${registry.host}/${name}`)}${more}`;
  const redirect = async (name: string, more = '') => (await server.get('localhost', `/p/q?${query(name, more)}`)).headers.location ?? '';
  const hostOf = async (name: string, more = '') => new URL(await redirect(name, more)).hostname;
  const bearer = async () => ({ headers: { authorization: `Bearer ${await server.token()}` } });
  const errorOf = async (name: string) => {
    const { status, text } = await server.get(await hostOf(name), '/');
    return [status, (JSON.parse(text) as { error: string }).error];
  };

  beforeAll(async () => {
    [sample, home, registry] = [await createSampleRepository(), await enterDocker(), await startRegistry()];
    // It carries labels of the server that built it, as an image does that somebody pushes from another server.
    const id = await home.engine.build(requestFor(home, `${appDockerfile('serve')}LABEL com.example.target=preview\n`), NEVER);
    await docker.getImage(id).tag({ repo: `${registry.host}/team/app`, tag: 'v1' });
    await pushTagged(docker, `${registry.host}/team/app:v1`);
    await home.engine.removeImage(id);
    await pushImage(docker, `${registry.host}/team/bare:v1`);
    await pushImage(docker, `${registry.host}/team/nothing:v1`, { labels: LABEL });
    server = await startServer({
      config: `projects:
  ${sample.project}:
    repository: ${sample.path}
    run: { env: { GREETING: hello }, readyTimeout: 20s }
    environments: { black-friday: { env: { GREETING: now } } }
    images: { registries: ["${registry.host}"], labels: { com.example.target: preview } }
    idle: { stop: 4s }
`,
    });
  }, 240_000);

  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await home[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    await sample[Symbol.asyncDispose]();
  }, 60_000);

  it('D13: one is pulled, checked and run by its URL alone', async () => {
    expect(await redirect('team/app:v1')).toMatch(new RegExp(`^http://container-team-app-v1-[0-9a-f]{12}\\.localhost:${server.port}/p/q$`));
    const answer = await server.get(await hostOf('team/app:v1'), '/p/q?x=%2f');
    expect([answer.status, answer.text, answer.headers['x-slipway-release']]).toEqual([200, 'hello from /p/q?x=%2f', 'v1']);
    expect(answer.headers).not.toHaveProperty('x-slipway-commit');
    expect(await server.status(query('team/app:v1'))).toMatchObject({ status: 'running', commit: null, release: 'v1', lastError: null, build: { status: 'succeeded' } });
    expect((await server.get('localhost', `/status?${query('team/app:v1')}`)).text).toBe('Ready');
    const [container] = await containersWith(server.label);
    expect(container?.Labels).toMatchObject({ 'slipway.project': sample.project, 'slipway.commit': '', 'slipway.release': '1', 'slipway.environment': '', 'slipway.key': '' });
    const [image] = await imagesWith(server.label);
    expect([...image?.RepoTags ?? []].sort()).toEqual([expect.stringMatching(new RegExp(`^slipway/${sample.project}:[0-9a-f]{32}$`)), expect.stringMatching(/:team-app-v1-[0-9a-f]{12}$/)]);
  }, 90_000);

  it('D14: the first request to one that has just started is answered properly, whatever its method', async () => {
    const answer = await server.get(await hostOf('team/app:v1', '&env=black-friday'), '/first', { method: 'POST', body: 'ahoy' });
    expect([answer.status, answer.text]).toEqual([200, 'hello from /first']);
    const containers = await containersWith(server.label);
    const environments = await Promise.all(containers.map(async ({ Id }) => (await docker.getContainer(Id).inspect()).Config.Env.find((each) => each.startsWith('GREETING='))));
    expect(environments).toContain('GREETING=now');
    expect((await imagesWith(server.label)).length).toBe(1);
  }, 60_000);

  it('D13: a container that died is revived by the next visit', async () => {
    const host = await hostOf('team/app:v1');
    await server.get(host, '/');
    const running = await containersWith(server.label);
    for (const { Id } of running) await docker.getContainer(Id).kill().catch(() => undefined);
    await eventually(async () => (await server.get(host, '/')).status === 200, { what: 'it serves again' });
    const ids = (await containersWith(server.label)).map(({ Id }) => Id);
    expect(running.filter(({ Id }) => ids.includes(Id))).toEqual([]);
  }, 60_000);

  it('D13: goes when nobody uses it, and wakes without the registry', async () => {
    const host = await hostOf('team/app:v1');
    const before = await server.get(host, '/');
    await eventually(async () => (await server.status(query('team/app:v1'))).status === 'stopped', { what: 'the idle container goes' });
    const { build } = await server.status(query('team/app:v1'));
    expect((await server.get(host, '/')).headers['x-slipway-release']).toBe(before.headers['x-slipway-release']);
    expect((await server.status(query('team/app:v1'))).build?.id).toBe(build?.id);
  }, 60_000);

  it('D13, D14: refuses what is not allowed and says what is not there', async () => {
    expect((await server.get('localhost', '/?image=registry.example.com/app:1')).status).toBe(403);
    expect((await server.get('localhost', '/?image=app')).status).toBe(400);
    expect(await errorOf('team/bare:v1')).toEqual([403, 'image_not_allowed']);
    expect(await errorOf('team/app:v2')).toEqual([404, 'image_not_found']);
    expect(await errorOf('team/nothing:v1')).toEqual([502, 'crashed']);
    expect((await docker.listImages()).flatMap(({ RepoTags }) => RepoTags ?? []).filter((tag) => tag.startsWith(registry.host))).toEqual([]);
  }, 90_000);

  it('D13: is taken over by a server that starts again', async () => {
    const host = await hostOf('team/app:v1');
    await server.get(host, '/');
    await server.kill('SIGKILL');
    await server.restart();
    expect((await server.get(host, '/again')).text).toBe('hello from /again');
  }, 90_000);

  it('D13: can be deleted with its image, and its URL pulls again', async () => {
    const host = await hostOf('team/app:v1');
    for (const more of ['&env=black-friday', '']) expect((await server.get('localhost', `/?${query('team/app:v1', `${more}&delete=1`)}`, await bearer())).status).toBe(200);
    const named = (await imagesWith(server.label)).flatMap(({ RepoTags }) => RepoTags ?? []);
    expect(named.filter((tag) => tag.includes(':team-app-'))).toEqual([]);
    expect((await server.get('localhost', `/status?${query('team/app:v1')}`)).text).toBe('NotBuilt');
    expect((await server.get(host, '/')).status).toBe(200);
  }, 90_000);

  it('D14: a registry that is gone is told with 503, while what was pulled serves on', async () => {
    await registry[Symbol.asyncDispose]();
    expect(await errorOf('team/app:v3')).toEqual([503, 'registry_unreachable']);
    expect((await server.get(await hostOf('team/app:v1'), '/')).status).toBe(200);
  }, 90_000);
});

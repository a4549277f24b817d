import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createDockerEngine } from '../../src/engine/docker.js';
import { createRegistryAuth } from '../../src/engine/registry-auth.js';
import { systemClock } from '../../src/kernel/clock.js';
import { startClassicEngine, type ClassicEngine } from '../support/classic-engine.js';
import { enterDocker, log, NEVER, requestFor } from '../support/engine-world.js';
import { eventually } from '../support/eventually.js';
import { createTestFolder } from '../support/git.js';
import { pullOf } from '../support/pull-world.js';
import { docker, imagesWith } from '../support/real-docker.js';
import { pushTagged, startRegistry, type Account, type TestRegistry } from '../support/registry.js';
import { createSampleRepository, unbuilt, type SampleRepository } from '../support/sample-repository.js';
import { runToEnd, startServer, type ServerProcess } from '../support/server-process.js';
import { basic, startTokenRegistry } from '../support/token-registry.js';

/** In base64 its bytes need both characters for which URLs have others. */
const newPassword = () => `ÿþ?>~-${randomBytes(8).toString('hex')}`;
const base64 = (text: string) => Buffer.from(text).toString('base64').replace(/=+$/, '');
/** All ways in which a password could stand somewhere. */
const formsOf = ({ username, password }: Account) => [password, encodeURIComponent(password), base64(password), base64(`${username}:${password}`)].flatMap((form) => [form, form.replaceAll('+', '-').replaceAll('/', '_')]);

const BUILDERS = [
  { name: 'BuildKit', enter: () => Promise.resolve(undefined) },
  { name: 'the classic builder', enter: startClassicEngine },
] as const;

describe.each(BUILDERS)('a private registry, with $name', ({ enter }) => {
  const account: Account = { username: 'ci', password: newPassword() };
  const wrong: Account = { username: 'ci', password: newPassword() };
  let classic: ClassicEngine | undefined;
  let sample: SampleRepository;
  let registry: TestRegistry;
  let folder: string;
  let server: ServerProcess;
  const put = (text: string) => writeFile(join(folder, 'password'), `${text}\n`);
  /** A commit whose image nobody has built, on a base image that this engine never had. */
  const commitOn = (branch: string, base: string) => sample.commit(branch, {
    ...unbuilt(), Dockerfile: `FROM ${registry.host}/${base}\nWORKDIR /app\nCOPY . .\nRUN echo polishing\nEXPOSE 3000\nCMD ["node", "server.mjs"]\n`,
  });
  const open = (commit: string) => server.get(`hash-${commit}.localhost`, '/');
  const run = async (name: string) => server.get(new URL((await server.get('localhost', `/?image=${encodeURIComponent(`${registry.host}/${name}`)}`)).headers.location ?? '').hostname, '/');
  const failureOf = ({ status, text }: { status: number; text: string }) => ({ ...JSON.parse(text) as { error: string; message: string }, status });
  const refused = (subject: string) => ({
    status: 424, error: 'registry_refused',
    message: expect.stringMatching(new RegExp(`^${subject}${registry.host} does not let us in with the username and password of registries\\.${registry.host} \\(.*(?:unauthorized|Unauthorized).*\\)\\. Put the username`)) as unknown,
  });

  beforeAll(async () => {
    [sample, registry, classic] = [await createSampleRepository(), await startRegistry(account), await enter()];
    const { Id } = await docker.getImage('slipway-demo/node').inspect();
    for (const tag of ['right', 'wrong']) {
      await docker.getImage(Id).tag({ repo: `${registry.host}/base`, tag });
      await pushTagged(docker, `${registry.host}/base:${tag}`, account);
    }
    for (const tag of ['right', 'wrong']) await pushApp(tag);
    folder = await mkdtemp(join(tmpdir(), 'slipway-passwords-'));
    await put(account.password);
    server = await startServer({
      ...(classic ? { env: { DOCKER_HOST: classic.address } } : {}),
      config: `registries:\n  ${registry.host}: { username: ci, passwordFile: ${join(folder, 'password')} }
projects:
  ${sample.project}: { repository: ${sample.path}, images: { registries: ["${registry.host}"] } }
`,
    });
  }, 240_000);

  /** An image that serves, without a name in this engine. */
  async function pushApp(tag: string): Promise<void> {
    await using home = await enterDocker();
    const id = await home.engine.build(requestFor(home, 'FROM slipway-demo/node\nCOPY app.cjs /app.cjs\nEXPOSE 3000\nCMD ["node", "/app.cjs", "serve"]\n'), NEVER);
    await docker.getImage(id).tag({ repo: `${registry.host}/app`, tag });
    await pushTagged(docker, `${registry.host}/app:${tag}`, account);
  }

  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    // The classic builder keeps the base images it pulled under their names.
    for (const { RepoTags } of await docker.listImages()) for (const tag of RepoTags ?? []) if (tag.startsWith(`${registry.host}/`)) await docker.getImage(tag).remove();
    await classic?.[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    await sample[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  }, 60_000);

  it('D17: the right password builds FROM it and runs its images', async () => {
    expect((await open(await commitOn('private', 'base:right'))).status).toBe(200);
    expect(await run('app:right')).toMatchObject({ status: 200, text: 'hello from /' });
    if (classic) expect([...classic.builders]).toEqual(['1']);
  }, 120_000);

  it('D17: a wrong one fails with the registry’s name and its key, and one that was put right counts at the next try', async () => {
    await put(wrong.password);
    const commit = await commitOn('private', 'base:wrong');
    expect(failureOf(await open(commit))).toMatchObject(refused(`The base image “${registry.host}/base:wrong” could not be had: `));
    expect(failureOf(await run('app:wrong'))).toMatchObject(refused(`${registry.host}/app:wrong could not be pulled: `));
    await rm(join(folder, 'password'));
    await eventually(async () => failureOf(await run('app:wrong')).message.includes(`the passwordFile of registries.${registry.host} cannot be read (ENOENT)`), { what: 'it is pulled again' });
    await put(account.password);
    await eventually(async () => (await open(commit)).status === 200, { what: 'it is built again' });
    await eventually(async () => (await run('app:wrong')).status === 200, { what: 'it is pulled again' });
  }, 180_000);

  it('D17: neither password is anywhere', async () => {
    const secrets = [...formsOf(account), ...formsOf(wrong)];
    const expectNone = (where: string, text: string) => { expect([where, secrets.filter((secret) => text.includes(secret))]).toEqual([where, []]); };
    const builds = JSON.parse((await server.get('localhost', '/api/builds')).text) as { id: string; status: string }[];
    expect(builds.map(({ status }) => status)).toEqual(expect.arrayContaining(['succeeded', 'failed']));
    const paths = ['/', '/log', '/status', '/debug', '/localimages', '/api/builds', '/api/images', `/api/status?branch=private`, ...builds.flatMap(({ id }) => [`/builds/${id}`, `/api/builds/${id}`, `/api/builds/${id}/log`])];
    for (const path of paths) {
      for (const accept of ['text/html', 'application/json']) expectNone(path, (await server.get('localhost', path, { headers: { accept } })).text);
    }
    const images = await imagesWith(server.label);
    expect(images.length).toBeGreaterThan(2);
    for (const { Id } of images) expectNone(Id, JSON.stringify([await docker.getImage(Id).history(), await docker.getImage(Id).inspect()]));
    expectNone('the server’s output', server.logged());
    const checked = await runToEnd(['config', join(server.stateDir, 'slipway.yaml')]);
    expect(checked.code).toBe(0);
    expectNone('slipway config', checked.stdout + checked.stderr);
    const files = (await readdir(server.stateDir, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
    expect(files.map(({ name }) => name)).toEqual(expect.arrayContaining(['slipway.db', 'server.log']));
    for (const { parentPath, name } of files) expectNone(name, await readFile(join(parentPath, name), 'utf8'));
  }, 60_000);
});

describe.each(BUILDERS)('registries that give out tokens, with $name', ({ enter }) => {
  it('D17: each is shown its own credentials and no others, when an image is built on it and when one is pulled', async () => {
    const account: Account = { username: 'ci', password: newPassword() };
    await using classic = await enter();
    using folder = createTestFolder();
    await using home = await enterDocker();
    await using own = await startTokenRegistry({ account });
    await using other = await startTokenRegistry();
    const passwordFile = join(folder.path, 'password');
    await writeFile(passwordFile, account.password);
    const engine = createDockerEngine({
      instance: home.instance, search: { dockerHost: classic?.address ?? process.env.DOCKER_HOST, home: '/nowhere' }, clock: systemClock, log,
      registries: createRegistryAuth(new Map([[own.host, { username: account.username, passwordFile }]])),
    });
    const requests = [own, other].map(({ host }) => requestFor(home, `FROM ${host}/some/base:1\nCOPY app.cjs /app.cjs\n`));
    for (const request of requests) await engine.build(request, NEVER);
    for (const registry of [own.host, other.host]) await engine.pull(pullOf({ project: home.project, registry }, 'some/app:1'), NEVER);
    expect([[...own.shown].sort(), [...other.shown]]).toEqual([['', basic(account)], ['']]);
    await writeFile(passwordFile, 'wrong');
    const refused = { code: 'registry_refused', message: expect.stringContaining(`the username and password of registries.${own.host}`) as unknown };
    await expect(engine.build(requestFor(home, `FROM ${own.host}/other/base:2\n`), NEVER)).rejects.toMatchObject(refused);
    await expect(engine.pull(pullOf({ project: home.project, registry: own.host }, 'other/app:2'), NEVER)).rejects.toMatchObject(refused);
    for (const { host } of [own, other]) if (classic) await docker.getImage(`${host}/some/base:1`).remove();
  }, 90_000);
});

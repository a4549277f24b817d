import type { BuildKey, EnvironmentName, InstanceId, RefName } from '../../src/domain/ids.js';
import { createUrls } from '../../src/domain/urls.js';
import type { Release } from '../../src/domain/release.js';
import type { OnceOptions, OnceSpec } from '../../src/engine/port.js';
import { createRunOnce, type OnceWanted, type RunOnce } from '../../src/flow/run-once.js';
import { createReleaseStore } from '../../src/state/releases.js';
import { createRouteStore } from '../../src/state/routes.js';
import { COMMIT, CONFIG, newRelease, newRoute } from '../state/samples.js';
import { openTestDatabase, type TestDatabase } from '../support/database.js';
import { createFakeEngine, type FakeEngine, type FakeEngineOptions } from '../support/fake-engine.js';
import { sampleProject } from '../support/sample-project.js';
import { gate } from '../support/test-app.js';
import { until } from '../support/until.js';

const MINUTE = 60_000;
const project = sampleProject('shop');
const secrets = { TOKEN: 's3cr3t' };

interface Ran { readonly spec: OnceSpec; readonly command: readonly string[] }

interface World extends AsyncDisposable {
  readonly database: TestDatabase;
  readonly engine: FakeEngine;
  readonly runOnce: RunOnce;
  readonly release: Release;
  /** What was run so far. */
  readonly ran: readonly Ran[];
  /** Runs a command of the release. */
  run(change?: Partial<OnceWanted>): ReturnType<RunOnce['run']>;
}

interface WorldOptions {
  readonly once?: FakeEngineOptions['once'];
  readonly route?: Parameters<typeof newRoute>[0];
}

/** The flow over a real database and the engine in memory, on a clock that stands. */
async function enter({ once, route }: WorldOptions = {}): Promise<World> {
  const database = await openTestDatabase();
  const { clock, log } = database;
  const ran: Ran[] = [];
  const engine = createFakeEngine({ instance: 'abcdef01' as InstanceId, clock, once: (spec, command) => { ran.push({ spec, command }); return once?.(spec, command) ?? {}; } });
  const [routes, releases] = [createRouteStore(database), createReleaseStore(database)];
  const { id, environment } = await routes.ensure(newRoute(route));
  const image = engine.addImage({ project: project.name, key: 'f'.repeat(64) as BuildKey, exposedPorts: [8080] });
  const release = await releases.append(newRelease(id, { image, environment, config: { ...CONFIG, secrets: { TOKEN: 'a digest' } }, secrets }));
  const refs = () => ({ refs: [{ kind: 'branch', name: 'other' as RefName, commit: COMMIT } as const] });
  const runOnce = createRunOnce({
    engine, routes, releases, clock, log, urls: createUrls(() => new URL('http://localhost:3000')),
    sources: new Map([[project.name, { refs }]]),
    serveRelease: { hostsOf: ({ label }) => [`${label}.shop.localhost`] },
  });
  return {
    database, engine, runOnce, release, ran,
    run: (change) => runOnce.run({ project, release: release.number, command: ['npm', 'run', 'migrate'], onOutput: () => Promise.resolve(), signal: new AbortController().signal, ...change }),
    [Symbol.asyncDispose]: async () => {
      await runOnce.close();
      await engine[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
}

/** A program that prints that it runs and goes on. */
const endless: FakeEngineOptions['once'] = () => ({ output: [{ stream: 'stdout', text: 'on' }], until: new Promise(() => undefined) });

describe('X16: a command that is run once', () => {
  it('gets the image, the settings, the secrets and the limits of its release, and is told what the release is', async () => {
    await using world = await enter();
    expect(await world.run()).toEqual({ code: 0, outOfMemory: false, message: null });
    expect(world.ran).toEqual([{
      command: ['npm', 'run', 'migrate'],
      spec: {
        project: 'shop', release: 1, commit: world.release.commit, build: null, environment: null, image: world.release.image, port: 8080,
        memoryBytes: CONFIG.memoryBytes, cpus: CONFIG.cpus, pids: CONFIG.pids, profile: 'compat', stopTimeoutMs: CONFIG.stopTimeoutMs,
        env: {
          FEATURE: 'ö', TOKEN: 's3cr3t', PORT: '8080', SLIPWAY_BUILD: '', SLIPWAY_COMMIT: world.release.commit, SLIPWAY_BRANCH: 'main', SLIPWAY_RELEASE: 'v1', SLIPWAY_ENV: '',
          SLIPWAY_URL: 'http://branch-main.shop.localhost:3000',
        },
      },
    }]);
  });

  it('knows its environment, and a branch of its commit', async () => {
    const environment = 'jetpack' as EnvironmentName;
    await using world = await enter({ route: { kind: 'commit', label: `jetpack-hash-${'a'.repeat(40)}`, subject: 'a'.repeat(40), environment } });
    await world.run();
    expect(world.ran[0]?.spec).toMatchObject({ environment, env: { SLIPWAY_ENV: environment, SLIPWAY_BRANCH: 'other' } });
  });

  it('passes on what it prints, and how it ends', async () => {
    await using world = await enter({ once: () => ({ output: [{ stream: 'stderr', text: 'half ' }, { stream: 'stdout', text: 'x\n' }], exit: { code: 137, outOfMemory: true } }) });
    const output: unknown[] = [];
    const onOutput: OnceOptions['onOutput'] = async (piece) => { output.push(piece); };
    expect(await world.run({ onOutput })).toEqual({ code: 137, outOfMemory: true, message: null });
    expect(output).toEqual([{ stream: 'stderr', text: 'half ' }, { stream: 'stdout', text: 'x\n' }]);
  });

  it.each<[string, readonly string[]]>([['no word', []], ['an empty program', ['', 'x']], ['a NUL', ['echo', 'a\0b']]])('is refused with %s', async (_what, command) => {
    await using world = await enter();
    await expect(world.run({ command })).rejects.toMatchObject({ code: 'invalid_request' });
    expect(world.ran).toEqual([]);
  });

  it('needs a release that there is, and its image', async () => {
    await using world = await enter();
    await expect(world.run({ release: 7 as Release['number'] })).rejects.toMatchObject({ code: 'unknown_release', message: 'There is no release v7 of shop.' });
    await world.engine.removeImage(world.release.image);
    await expect(world.run()).rejects.toMatchObject({ code: 'image_gone', status: 410, message: `The image of v1 is gone; it was made of commit ${COMMIT}.` });
    expect(world.ran).toEqual([]);
  });

  it('is one of four at most', async () => {
    const { opened, open } = gate();
    await using world = await enter({ once: () => ({ until: opened }) });
    const four = [1, 2, 3, 4].map(() => world.run());
    await expect(world.run()).rejects.toMatchObject({ code: 'too_busy' });
    open();
    await Promise.all(four);
    await expect(world.run()).resolves.toMatchObject({ code: 0 });
  });

  it('gives its place free whatever happens to it', async () => {
    await using world = await enter({ once: () => ({ refused: 'no' }) });
    for (let n = 0; n < 6; n += 1) await expect(world.run()).rejects.toMatchObject({ code: 'start_failed' });
  });

  it('is killed after an hour', async () => {
    await using world = await enter({ once: endless });
    const running = world.run();
    running.catch(() => undefined);
    await until(() => world.engine.onces === 1, 'it runs');
    await world.database.clock.advance(60 * MINUTE - 1);
    expect(world.engine.onces).toBe(1);
    await world.database.clock.advance(1);
    await expect(running).rejects.toMatchObject({ code: 'command_timeout', status: 504 });
    expect([world.engine.onces, world.database.clock.sleepers]).toEqual([0, 0]);
  });

  it('is killed when nobody wants it any more', async () => {
    await using world = await enter({ once: endless });
    const gone = new AbortController();
    const reason = new Error('gone');
    await expect(world.run({ signal: gone.signal, onOutput: async () => { gone.abort(reason); } })).rejects.toBe(reason);
    expect([world.engine.onces, world.database.clock.sleepers]).toEqual([0, 0]);
  });

  it('is killed when the server stops, and none begins then', async () => {
    await using world = await enter({ once: endless });
    const running = world.run();
    running.catch(() => undefined);
    await until(() => world.engine.onces === 1, 'it runs');
    await world.runOnce.close();
    expect(world.engine.onces).toBe(0);
    await expect(running).rejects.toMatchObject({ code: 'shutting_down' });
    await expect(world.run()).rejects.toMatchObject({ code: 'shutting_down' });
  });

  it('X12: prints no secret of its release, however it comes', async () => {
    const output = ['TOKEN=s3c', 'r3t\n', 's3'].map((text) => ({ stream: 'stdout', text } as const));
    await using world = await enter({ once: () => ({ output: [...output, { stream: 'stderr', text: 's3cr3t' }, { stream: 'stdout', text: 'cr3t s3' }] }) });
    const said = { stdout: '', stderr: '' };
    await world.run({ onOutput: async ({ stream, text }) => { said[stream] += text; } });
    expect(said).toEqual({ stdout: 'TOKEN=***\n*** s3', stderr: '***' });
  });

  it('X12: is told what waited for its rest when the command is killed', async () => {
    const gone = new AbortController();
    await using world = await enter({ once: () => ({ output: [{ stream: 'stdout', text: 'half a s3' }], until: new Promise(() => undefined) }) });
    let said = '';
    const running = world.run({ signal: gone.signal, onOutput: async ({ text }) => { said += text; gone.abort(new Error('gone')); } });
    await expect(running).rejects.toMatchObject({ message: 'gone' });
    expect(said).toBe('half a s3');
  });

  it('X12: is not written down: neither its words nor its secrets are in the log', async () => {
    await using world = await enter();
    await world.run({ command: ['psql', 'postgres://user:pa55@db'] });
    const noted = JSON.stringify(world.database.log.recent());
    expect(noted).toContain('command run once');
    for (const word of ['pa55', 's3cr3t', 'psql']) expect(noted).not.toContain(word);
  });
});

import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { ConfigFaults, flagOf, listSettings, loadConfig, type Config, type Flags } from '../../src/config.js';
import { RESERVED_PREFIXES } from '../../src/domain/preview-name.js';
import { createTestFolder } from '../support/git.js';

const URL = 'https://git.example.com/acme/shop.git';
type Variables = Readonly<Record<string, string>>;
const load = (flags: Flags = {}, env: Variables = {}, repository: string | undefined = URL): Config => loadConfig(repository, flags, env);

function faultsOf(flags: Flags, env: Variables = {}, repository: string | undefined = URL): readonly string[] {
  try { loadConfig(repository, flags, env); } catch (error) { if (error instanceof ConfigFaults) return error.faults; throw error; }
  return [];
}

const nameOf = (repository: string): string | undefined => load({}, {}, repository).projects[0]?.name;

describe('the configuration', () => {
  it('has every default', () => {
    expect(load().settings).toEqual({
      port: 3000, listen: '127.0.0.1', logLevel: 'info', trustedProxies: [], routing: 'subdomain', registries: {}, blobs: 'file:',
      builds: { concurrency: 2, timeout: 1_200_000, silence: 600_000, queue: 100, perMinute: 30, archive: false },
      hold: { navigation: 1_000, request: 30_000 },
      idle: { sleep: 300_000, stop: 1_800_000 },
      limits: { running: 50, images: 500, memory: 0.9, disk: 0.85 },
      build: { context: '.', dockerfile: 'Dockerfile', cache: true },
      run: { readyTimeout: 60_000, stopTimeout: 10_000, memory: 536_870_912, cpus: 1, pids: 256, profile: 'compat' },
    });
  });

  it('makes one project of the repository', () => {
    expect(load({ 'run.port': '8080', 'build.target': 'web', 'run.memory': '1GiB' }).projects).toEqual([{
      name: 'shop', repository: URL, host: null, environments: new Map(), stages: new Map(), publish: null, keepBuilds: 2, cache: true, idle: { sleepMs: 300_000, stopMs: 1_800_000 }, keep: [], images: { registries: [], labels: {} },
      git: { tokenFile: null, sshKey: null, knownHosts: null },
      recipe: { context: '.', dockerfile: 'Dockerfile', target: 'web', args: {}, platform: null, dependencies: {} },
      run: { port: 8080, readyTimeoutMs: 60_000, stopTimeoutMs: 10_000, memoryBytes: 1_073_741_824, cpus: 1, pids: 256, profile: 'compat', env: {} },
    }]);
  });

  it.each<[string, Variables, string]>([
    ['--state-dir’s', { SLIPWAY_STATE_DIR: '/srv/slipway', XDG_STATE_HOME: '/x' }, '/srv/slipway'],
    ['XDG’s', { XDG_STATE_HOME: '/x', HOME: '/home/ada' }, '/x/slipway'],
    ['the home’s', { HOME: '/home/ada' }, '/home/ada/.local/state/slipway'],
    ['the user’s', {}, join(homedir(), '.local/state/slipway')],
  ])('keeps its state in %s folder', (_whose, env, folder) => { expect(load({}, env).stateDir).toBe(folder); });

  it('takes of its surroundings only what finds git and the engine', () => {
    expect(load({}, { PATH: '/bin', HOME: '/home/ada', DOCKER_HOST: 'unix:///x.sock', AWS_SECRET: 'x' }).surroundings).toEqual({ path: '/bin', home: '/home/ada', dockerHost: 'unix:///x.sock' });
    expect(load().surroundings).toEqual({ path: '/usr/local/bin:/usr/bin:/bin', home: homedir(), dockerHost: undefined });
  });

  it('reads every setting by variable and by flag, and a flag wins', () => {
    const given: Readonly<Record<string, readonly [string, string]>> = {
      port: ['4000', '4001'], 'builds.concurrency': ['3', '4'], 'idle.stop': ['1m', '2m'], 'run.memory': ['1MiB', '2MiB'], 'run.cpus': ['0.5', '1.5'], 'run.profile': ['strict', 'compat'],
    };
    const env: Variables = Object.fromEntries(listSettings().flatMap(({ name, variable }) => (given[name] && variable !== null ? [[variable, given[name][0]] as const] : [])));
    const flags = Object.fromEntries(Object.entries(given).map(([name, [, value]]) => [name, value]));
    expect(load({}, env).settings).toMatchObject({ port: 4000, builds: { concurrency: 3 }, idle: { stop: 60_000 }, run: { memory: 1_048_576, cpus: 0.5, profile: 'strict' } });
    expect(load(flags, env).settings).toMatchObject({ port: 4001, builds: { concurrency: 4 }, idle: { stop: 120_000 }, run: { memory: 2_097_152, cpus: 1.5, profile: 'compat' } });
  });

  it('names every setting, flag and variable once', () => {
    const entries = listSettings();
    expect(entries.filter(({ description }) => description === '')).toEqual([]);
    for (const names of [entries.map(({ name }) => name), entries.map(({ variable }) => variable), entries.map(({ name }) => flagOf(name))]) expect(new Set(names).size).toBe(entries.length);
    expect(entries.find(({ name }) => name === 'builds.perMinute')).toEqual({ name: 'builds.perMinute', flag: '--builds-per-minute', variable: 'SLIPWAY_BUILDS_PER_MINUTE', initial: '30', description: 'Builds started in any minute', later: false });
    // Every user of the machine can read the arguments of a process.
    expect(entries.filter(({ flag }) => flag === null).map(({ name }) => name)).toEqual(['token']);
    expect([flagOf('builds.perMinute'), flagOf('stateDir'), flagOf('port')]).toEqual(['--builds-per-minute', '--state-dir', '--port']);
  });
});

describe('a fault in the configuration', () => {
  it('is told together with all others, each by the name it was given under', () => {
    const env = { SLIPWAY_PORT: '70000', SLIPWAY_IDLE_STOP: 'soon', SLIPWAY_PROT: '1', SLIPWAY_SWARM: 'true', SLIPWAY_RUN_MEMORY: '512' };
    const faults = faultsOf({ 'builds.perMinute': '0', logLevel: 'loud' }, env, '/nowhere/at/all');
    expect(faults).toEqual([
      'SLIPWAY_PROT is not a setting; did you mean SLIPWAY_PORT?', 'SLIPWAY_SWARM is not a setting; the README lists all there are',
      'SLIPWAY_PORT is not a port', '--log-level must be error, warn, info or debug', '--builds-per-minute must be 1 or more',
      'SLIPWAY_IDLE_STOP “soon” is not a duration; write 500ms, 30s, 5m or 1h, 24d at most', 'SLIPWAY_RUN_MEMORY “512” is not a size; write 512MiB or 1GiB',
      'there is no repository at /nowhere/at/all',
    ]);
    expect(new ConfigFaults(faults).message).toMatch(/^The configuration has 8 faults:\n {2}- SLIPWAY_PROT/);
  });

  it.each<[string, string]>([
    ['port', 'x'], ['port', '-1'], ['port', '1.5'], ['port', '65536'], ['port', ''], ['port', ' '], ['run.port', '0'],
    ['builds.concurrency', '0'], ['builds.concurrency', '1.5'], ['builds.queue', 'many'], ['builds.queue', 'Infinity'],
    ['builds.timeout', '0s'], ['builds.timeout', '20'], ['builds.timeout', '-5m'], ['builds.timeout', '25d'], ['idle.stop', `${'9'.repeat(400)}h`],
    ['run.memory', '0MiB'], ['run.memory', 'lots'], ['run.cpus', '0'], ['run.cpus', '-1'], ['run.cpus', 'NaN'], ['run.profile', 'Strict'],
    ['url', 'preview.example.com'], ['url', 'ftp://preview.example.com'], ['url', 'javascript:alert(1)'], ['token', 'short'], ['token', ''],
    ['build.context', '/etc'], ['build.context', '../other'], ['build.dockerfile', 'a/../../b'], ['build.target', ''], ['logLevel', 'INFO'], ['listen', ''], ['stateDir', ''],
  ])('%s may not be “%s”', (name, value) => {
    const variable = listSettings().find((entry) => entry.name === name)?.variable ?? '';
    for (const faults of [faultsOf({ [name]: value }), faultsOf({}, { [variable]: value })]) expect(faults).toHaveLength(1);
    expect(faultsOf({ [name]: value })[0]).toMatch(new RegExp(`^${flagOf(name)} `));
    expect(faultsOf({}, { [variable]: value })[0]).toMatch(new RegExp(`^${variable} `));
  });

  it.each<[string, string]>([['port', '0'], ['builds.timeout', '24d'], ['run.cpus', '0.25'], ['url', 'https://preview.example.com'], ['build.context', 'apps/web'], ['token', 'sixteen-letters!'], ['build.dockerfile', '..dots/Dockerfile']])('%s may be “%s”', (name, value) => {
    expect(faultsOf({ [name]: value })).toEqual([]);
  });

  it('is a repository that nobody named, or that is not there', () => {
    expect(() => loadConfig(undefined, {}, {})).toThrow('The configuration has a fault:\n  - name a repository: slipway serve <path-or-url>, or a slipway.yaml with projects');
    expect(faultsOf({}, {}, '/nowhere/at/all')).toEqual(['there is no repository at /nowhere/at/all']);
  });

  it('is no variable that previews get, nor one of somebody else', () => {
    const injected = Object.fromEntries(['BUILD', 'COMMIT', 'BRANCH', 'RELEASE', 'ENV', 'URL'].map((name) => [`SLIPWAY_${name}`, 'x']));
    expect(load({}, { ...injected, PORT: '1', OTHER: 'x', slipway_port: '1' }).settings).toEqual(load().settings);
    expect(load({}, { SLIPWAY_SERVER_URL: 'https://preview.example.com' }).settings.url).toBe('https://preview.example.com');
  });

  it.each(['0.0.0.0', '::', '192.168.1.5', 'preview.example.com', '127.0.0.1.evil.com', '1270.0.0.1'])('is to listen on %s without a token', (listen) => {
    expect(faultsOf({ listen })).toEqual([`listening on ${listen} lets others in: set SLIPWAY_TOKEN, or leave --listen away to stay on 127.0.0.1`]);
    expect(faultsOf({ listen, token: 'x'.repeat(16) })).toEqual([]);
    expect(faultsOf({ listen }, { SLIPWAY_TOKEN: 'x'.repeat(16) })).toEqual([]);
  });

  it.each(['127.0.0.1', '127.8.8.8', '::1', 'localhost'])('is not to listen on %s', (listen) => { expect(faultsOf({ listen })).toEqual([]); });
});

describe('the name of a project', () => {
  it.each([
    ['https://git.example.com/acme/shop.git', 'shop'],
    ['https://git.example.com/acme/Shop_Front/', 'shop-front'],
    ['https://ada:secret@git.example.com/acme/shop', 'shop'],
    ['https://git.example.com', 'git-example-com'],
    ['ssh://git@git.example.com:2222/acme/shop.git', 'shop'],
    ['git@git.example.com:acme/shop.git', 'shop'],
    ['git@git.example.com:shop.git/', 'shop'],
    ['file:///srv/shop.git', 'shop'],
    ['https://git.example.com/acme/shop/.git', 'shop'],
    ['https://git.example.com/acme/日本', 'app'],
    ['https://git.example.com/acme/--x--', 'x'],
    ['https://git.example.com/acme/run-book', 'app-run-book'],
    ['https://git.example.com/acme/hash', 'app-hash'],
    ['https://git.example.com/acme/branch', 'app-branch'],
    ['https://git.example.com/acme/containers', 'containers'],
    [`https://git.example.com/acme/${'a'.repeat(60)}`, 'a'.repeat(40)],
    [`https://git.example.com/acme/${'a'.repeat(39)}-b`, 'a'.repeat(39)],
    [`https://git.example.com/acme/run-${'a'.repeat(60)}`, `app-run-${'a'.repeat(32)}`],
  ])('of %s is %s', (repository, name) => { expect(nameOf(repository)).toBe(name); });

  it('is that of the folder, which is kept as an absolute path', () => {
    using parent = createTestFolder();
    const folders: readonly (readonly [string, string])[] = [['My Shop', 'my-shop'], ['shop.git', 'shop'], ['run-me', 'app-run-me'], ['.hidden', 'hidden'], ['host:path', 'path']];
    for (const [folder, name] of folders) {
      const path = join(parent.path, folder);
      mkdirSync(path);
      expect(load({}, {}, path).projects[0]).toMatchObject({ repository: path, name });
      expect(nameOf(`${path}/`)).toBe(name);
    }
    expect([load({}, {}, '.').projects[0]?.repository, nameOf('/')]).toEqual([process.cwd(), 'app']);
  });

  it('is a label that no kind of preview begins with, whatever the URL', () => {
    const path = fc.oneof(fc.webPath(), fc.string(), fc.constantFrom(...RESERVED_PREFIXES).chain((prefix) => fc.string().map((rest) => `/${prefix}${rest}`)));
    fc.assert(fc.property(path, (text) => {
      const name = nameOf(`https://git.example.com/${text}`) ?? '';
      expect(name).toMatch(/^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/);
      expect(RESERVED_PREFIXES.filter((prefix) => `${name}-`.startsWith(prefix))).toEqual([]);
    }), { numRuns: 500 });
  });
});

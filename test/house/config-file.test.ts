import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { renderDefaults } from '../../src/config/defaults.js';
import { ConfigFaults, loadConfig } from '../../src/config.js';
import { createFile, faultsOf, load, project, REPOSITORY } from './written-config.js';

describe('slipway.yaml', () => {
  it('says all that design has, each key in its unit', () => {
    using file = createFile(`
url: https://preview.example.com
trustedProxies: [10.0.0.0/8]
routing: subdomain
builds:   { concurrency: 3, timeout: 15m, silence: 5m, queue: 10, perMinute: 6, archive: false }
registries: { registry.example.com: { username: ci, passwordFile: registry-password } }
blobs: "file:"
hold:     { navigation: 2s, request: 10s }
idle:     { sleep: 5m, stop: 20m }
limits:   { running: 50, images: 500, disk: 85% }
projects:
  shop:
    repository: ${REPOSITORY}
    host: shop.example.com
    publish: main
    build: { dockerfile: Dockerfile.web, context: web, target: null, args: { A: 1, SHA: "{commit}" }, cache: false, keepBuilds: 2 }
    run:   { port: 8080, health: GET /healthz 200, readyTimeout: 30s, stopTimeout: 5s, memory: 256MiB, cpus: 0.5, profile: strict, env: { FEATURE: on, N: 2, B: true }, processes: { web: null, worker: [node, worker.mjs] } }
    environments: { jetpack: { env: { NODE_ENV: jetpack }, memory: 1GiB }, a8c-for-agencies: }
    stages: { dev: {}, test: { env: { API: https://api.test } }, prod: {} }
    idle: { sleep: never, stop: never }
    git: { tokenFile: git-token }
    keep: [main, release/*]
    images: { registries: [registry.example.com], labels: { com.example.target: preview } }
    dependsOn: [{ project: base, range: ^5.0.0, as: BASE_IMAGE }]
  base:
    repository: sources/base
`);
    writeFileSync(file.at('git-token'), 'secret');
    writeFileSync(file.at('registry-password'), 'secret');
    writeFileSync(file.at('sources'), '');
    expect(() => loadConfig(undefined, { config: file.path }, {})).toThrow(`projects.base.repository names no repository: there is nothing at ${file.at('sources/base')}`);
    writeFileSync(file.path, readFileSync(file.path, 'utf8').replace('sources/base', 'sources'));
    const { settings, projects, trustedProxies, notes } = loadConfig(undefined, { config: file.path }, {});
    expect(settings).toMatchObject({ url: 'https://preview.example.com', builds: { concurrency: 3, timeout: 900_000, perMinute: 6 }, hold: { navigation: 2_000 }, idle: { stop: 1_200_000 } });
    expect(trustedProxies).toEqual(['10.0.0.0/8']);
    const [shop, base] = projects;
    expect(shop).toEqual({
      name: 'shop', repository: REPOSITORY, host: 'shop.example.com', cache: false, idle: { sleepMs: null, stopMs: null }, keep: ['main', 'release/*'], publish: 'main', keepBuilds: 2,
      recipe: { context: 'web', dockerfile: 'Dockerfile.web', target: null, args: { A: '1', SHA: '{commit}' }, platform: null, dependencies: {} },
      run: {
        port: 8080, readyTimeoutMs: 30_000, stopTimeoutMs: 5_000, memoryBytes: 268_435_456, cpus: 0.5, pids: 256, profile: 'strict', env: { FEATURE: 'on', N: '2', B: 'true' },
        health: { test: { kind: 'http', method: 'GET', path: '/healthz', status: 200 }, everyMs: 10_000, timeoutMs: 5_000, unhealthyMs: 30_000 },
        processes: { worker: ['node', 'worker.mjs'] },
      },
      environments: new Map([['jetpack', { env: { NODE_ENV: 'jetpack' }, memoryBytes: 1_073_741_824 }], ['a8c-for-agencies', { env: {} }]]),
      stages: new Map([['dev', { env: {} }], ['test', { env: { API: 'https://api.test' } }], ['prod', { env: {} }]]),
      images: { registries: ['registry.example.com'], labels: { 'com.example.target': 'preview' } },
      git: { tokenFile: file.at('git-token'), sshKey: null, knownHosts: null },
    });
    expect(base).toMatchObject({ name: 'base', repository: file.at('sources'), host: null, cache: true, idle: { sleepMs: 300_000, stopMs: 1_200_000 }, run: { memoryBytes: 536_870_912 } });
    // What does nothing yet must not look as if it did.
    expect(notes.map((note) => /slipway\.yaml:\d+ (\S+) is read/.exec(note)?.[1])).toEqual([
      'builds.archive', 'blobs', 'projects.shop.dependsOn',
    ]);
  });

  it('D17: names the private registries, their passwords’ files relative to it, and none of the passwords', () => {
    using file = createFile(`registries:\n  registry.example.com: { username: ci, passwordFile: secrets/ci }\n  127.0.0.1:5000: { username: bot, passwordFile: PATH }\n  docker.io: { username: me, passwordFile: secrets/ci }\n${project()}`);
    mkdirSync(file.at('secrets'));
    for (const name of ['secrets/ci', 'bot']) writeFileSync(file.at(name), 'the-password\n');
    writeFileSync(file.path, readFileSync(file.path, 'utf8').replace('PATH', file.at('bot')));
    const config = loadConfig(undefined, { config: file.path }, {});
    expect([...config.registries]).toEqual([
      ['registry.example.com', { username: 'ci', passwordFile: file.at('secrets/ci') }],
      ['127.0.0.1:5000', { username: 'bot', passwordFile: file.at('bot') }],
      ['docker.io', { username: 'me', passwordFile: file.at('secrets/ci') }],
    ]);
    expect(config.notes).toEqual([]);
    expect(inspect(config, { depth: null })).not.toContain('the-password');
    expect(load('', { repository: REPOSITORY }).registries.size).toBe(0);
  });

  it('D3: says that routing by session shares an origin', () => {
    expect(load('', { repository: REPOSITORY, flags: { routing: 'session' } }).notes).toEqual([expect.stringMatching(/^routing: session puts applications and the control plane on one origin/)]);
    expect(load('', { repository: REPOSITORY }).notes).toEqual([]);
  });

  it('gives a project what the server has where it says nothing itself', () => {
    const { projects: [shop] } = load(`build: { dockerfile: Dockerfile.all, cache: false }\nrun: { memory: 1GiB, port: 80 }\nidle: { stop: never }\n${project('run: { port: 81 }')}`);
    expect(shop).toMatchObject({ cache: false, idle: { sleepMs: 300_000, stopMs: null }, recipe: { dockerfile: 'Dockerfile.all' }, run: { memoryBytes: 1_073_741_824, port: 81 } });
  });

  it('is overruled by variables, and these by flags', () => {
    const text = `port: 1000\nhold: { request: 1s }\n${project()}`;
    expect(load(text).settings).toMatchObject({ port: 1000, hold: { request: 1_000, navigation: 1_000 } });
    expect(load(text, { env: { SLIPWAY_PORT: '2000', SLIPWAY_HOLD_REQUEST: '2s', SLIPWAY_TRUSTED_PROXIES: '10.0.0.1, fd00::/8' } })).toMatchObject({ trustedProxies: ['10.0.0.1', 'fd00::/8'], settings: { port: 2000, hold: { request: 2_000 } } });
    expect(load(text, { env: { SLIPWAY_PORT: '2000' }, flags: { port: '3000' } }).settings.port).toBe(3000);
  });

  it('may hold settings only, with the repository as an argument', () => {
    expect(load('port: 1000', { repository: REPOSITORY })).toMatchObject({ settings: { port: 1000 }, projects: [{ name: 'shop', repository: REPOSITORY }] });
    expect(load('', { repository: REPOSITORY }).settings.port).toBe(3000);
    expect(faultsOf(project(), { repository: REPOSITORY })).toEqual([`slipway.yaml has projects already: leave ${REPOSITORY} away, or the projects`]);
    expect(faultsOf('port: 1000')).toEqual(['slipway.yaml names no project: give projects with a repository each']);
  });

  it('is named by SLIPWAY_CONFIG as well', () => {
    using file = createFile(project());
    expect(loadConfig(undefined, {}, { SLIPWAY_CONFIG: file.path }).projects).toHaveLength(1);
    expect(() => loadConfig(undefined, { config: file.at('other.yaml') }, {})).toThrow(`there is no file ${file.at('other.yaml')}`);
    expect(() => loadConfig(undefined, { config: file.at('/') }, {})).toThrow('is a folder: name the file in it');
  });
});

describe('the faults of a file', () => {
  it('are told all at once, with file and line', () => {
    expect(faultsOf(`url: preview.example.com
builds: { concurency: 2, timeout: soon }
holds: {}
routing: path
trustedProxies: [10.0.0.0/8, 10.0.0.0/33]
token: a-token-in-a-file
projects:
  shop:
    repository: /nowhere/at/all
    host: https://shop.example.com
    run: { memory: lots, port: 0, env: { PORT: 1, "A B": 1, C: } }
    environments: { hash-x: {}, prod: {} }
    stages: { prod: {} }
    git: { tokenFile: none }
    dependsOn: base
  run-x: { repository: "${REPOSITORY}" }
  blog: {}
`)).toEqual([
      'slipway.yaml:6 token does not belong into a file: set SLIPWAY_TOKEN, or leave it to the first start',
      'slipway.yaml:1 url is not an http or https URL',
      'slipway.yaml:5 trustedProxies “10.0.0.0/33” is not an address or a range such as 10.0.0.0/8',
      'slipway.yaml:4 routing must be subdomain or session',
      'slipway.yaml:2 builds.timeout “soon” is not a duration; write 500ms, 30s, 5m or 1h, 24d at most',
      'slipway.yaml:2 builds.concurency is not a setting; did you mean concurrency?',
      'slipway.yaml:3 holds is not a setting; did you mean hold?',
      'slipway.yaml:10 projects.shop.host “https://shop.example.com” is not a host name; write shop.example.com, without scheme and port',
      'slipway.yaml:11 projects.shop.run.port is not a port',
      'slipway.yaml:11 projects.shop.run.memory “lots” is not a size; write 512MiB or 1GiB',
      'slipway.yaml:11 projects.shop.run.env PORT is given by Slipway itself; use another name',
      'slipway.yaml:15 projects.shop.dependsOn must be a list',
      'slipway.yaml:12 projects.shop.environments.hash-x “hash-x” cannot be the name of an environment: it begins like the hosts hash-…',
      'slipway.yaml:12 projects.shop.environments.prod “prod” is a stage, and previews cannot be opened in one; give the environment another name',
      'slipway.yaml:9 projects.shop.repository names no repository: there is nothing at /nowhere/at/all',
      'slipway.yaml:14 projects.shop.git.tokenFile names no file: none',
      'slipway.yaml:16 projects.run-x “run-x” cannot be the name of a project: it begins like the hosts run-…',
      'slipway.yaml:17 projects.blog.repository must be given',
    ]);
  });

  it.each<[string, string | RegExp]>([
    ['projects: [', /^slipway\.yaml:\d+ .+/],
    ['port: 1\nport: 2\n', 'slipway.yaml:2 port is given twice: give each key once'],
    ['- port', 'slipway.yaml must hold keys and values, such as “projects:”'],
    ['projects: shop', 'slipway.yaml:1 projects must hold names with settings'],
    ['builds: 5', 'slipway.yaml:1 builds must hold keys and values'],
    ['hold: { request: { a: 1 } }', 'slipway.yaml:1 hold.request “{"a":1}” is not a duration; write 500ms, 30s, 5m or 1h, 24d at most'],
    ['port: true', 'slipway.yaml:1 port is not a port'],
    ['projects:\n  shop: ../shop', 'slipway.yaml:2 projects.shop must hold keys and values; write shop: { repository: ../shop }'],
    ['projects:\n  shop: 5', 'slipway.yaml:2 projects.shop must hold keys and values'],
    ['projects:\n  shop: { repository: 5 }', 'slipway.yaml:2 projects.shop.repository “5” is not a text'],
    [project('environments: { x: { envs: {} } }'), 'slipway.yaml:4 projects.shop.environments.x.envs is not a setting'],
    [project('run: { privileged: true }'), 'slipway.yaml:4 projects.shop.run.privileged is not a setting; did you mean profile?'],
    [project('images: { registries: ["https://registry.example.com"] }'), 'slipway.yaml:4 projects.shop.images.registries “https://registry.example.com” is not a registry such as registry.example.com or 127.0.0.1:5000, in lower case'],
    [project('build: { args: [1] }'), 'slipway.yaml:4 projects.shop.build.args must be names with values, such as { NAME: value }'],
    [project('build: { cache: maybe }'), 'slipway.yaml:4 projects.shop.build.cache “maybe” is neither true nor false'],
  ])('%j has one', (text, fault) => {
    const faults = faultsOf(text);
    expect(faults[0]).toEqual(typeof fault === 'string' ? fault : expect.stringMatching(fault));
  });

  it('D17: are registries that cannot be, and passwords that are not there', () => {
    using file = createFile(`port: never
registries:
  https://registry.example.com: { username: ci, passwordFile: good }
  registry: { username: ci, passwordFile: good }
  Registry.example.com: { username: ci, passwordFile: good }
  index.docker.io: { username: ci, passwordFile: good }
  a.example.com: { username: ci, passwordFile: none }
  b.example.com: { username: ci, passwordFile: empty }
  c.example.com: { username: ci, passwordFile: . }
  d.example.com: { username: ci, password: secret }
${project()}`);
    writeFileSync(file.at('good'), 'secret');
    writeFileSync(file.at('empty'), '\n');
    const kind = 'is not a registry such as registry.example.com, 127.0.0.1:5000 or docker.io, in lower case';
    let thrown: unknown;
    try { loadConfig(undefined, { config: file.path }, {}); } catch (error) { thrown = error; }
    expect((thrown as ConfigFaults).faults.map((fault) => fault.replaceAll(file.at('/'), ''))).toEqual([
      'slipway.yaml:1 port is not a port',
      'slipway.yaml:10 registries.d.example.com.passwordFile must be given',
      'slipway.yaml:10 registries.d.example.com.password is not a setting',
      `slipway.yaml:3 registries.https://registry.example.com ${kind}`,
      `slipway.yaml:4 registries.registry ${kind}`,
      `slipway.yaml:5 registries.Registry.example.com ${kind}`,
      'slipway.yaml:6 registries.index.docker.io is called docker.io here',
      'slipway.yaml:7 registries.a.example.com.passwordFile names no file: none',
      'slipway.yaml:8 registries.b.example.com.passwordFile names an empty file: empty',
      `slipway.yaml:9 registries.c.example.com.passwordFile names no file: ${file.at('.').replace(/\/$/, '')}`,
    ]);
  });

  it('are two meanings of one host', () => {
    const two = (a: string, b: string) => `url: http://pv.localhost\nprojects:\n  shop: { repository: "${REPOSITORY}", ${a} }\n  blog: { repository: "${REPOSITORY}", ${b} }\n`;
    expect(faultsOf(two('host: a.example.com', 'host: A.example.com'))).toEqual(['slipway.yaml:4 projects.blog.host: the host a.example.com belongs to the project shop; give it a host of its own']);
    expect(faultsOf(two('host: blog.pv.localhost', ''))).toEqual(['slipway.yaml:4 projects.blog: the host blog.pv.localhost belongs to the project shop; give it a host of its own']);
    expect(faultsOf(two('host: pv.localhost', ''))).toEqual(['slipway.yaml:3 projects.shop.host: the host pv.localhost belongs to the server itself; give it a host of its own']);
    expect(faultsOf(two('host: a.example.com', 'host: branch-x.a.example.com'))).toEqual(['slipway.yaml:4 projects.blog.host: the host branch-x.a.example.com is a preview of shop; give it another one']);
    expect(faultsOf(two('', 'host: branch-x.pv.localhost'))).toEqual(['slipway.yaml:4 projects.blog.host: the host branch-x.pv.localhost is a preview of the server; give it another one']);
    expect(faultsOf(two('host: a.example.com', ''))).toEqual([]);
  });

  it.each(['http://127.0.0.1:3000', 'http://[::1]:3000'])('are the address %s, below which there can be no preview', (url) => {
    const sentence = 'is an address, below which there are no hosts for previews: use http://localhost or a name, or routing: session with one project';
    expect(faultsOf(`url: ${url}\n${project()}`)).toEqual([`slipway.yaml:1 url ${sentence}`]);
    expect(faultsOf(`url: ${url}\nrouting: session\n${project()}`)).toEqual([]);
    expect(faultsOf(`url: ${url}\nrouting: session\n${project()}  blog: { repository: "${REPOSITORY}" }\n`)).toEqual([`slipway.yaml:1 url ${sentence}`]);
  });

  it('are never an alias that unfolds without end', () => {
    const bomb = `a: &a [x, x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]\n`;
    expect(faultsOf(bomb)).toEqual([expect.stringMatching(/Excessive alias count/)]);
  });
});

describe('`slipway config --defaults`', () => {
  it('prints a file that says what saying nothing says', () => {
    expect(load(renderDefaults(), { repository: REPOSITORY })).toMatchObject({ ...load('', { repository: REPOSITORY }), notes: expect.any(Array) as unknown });
  });

  it('prints a project with every default, as a comment', () => {
    const whole = renderDefaults().replace(/^# (?=(?:projects:| {2}))/gm, '');
    const { projects } = load(whole);
    expect(projects).toEqual(load('projects: { example: { repository: "https://git.example.com/acme/example.git" } }').projects);
  });
});

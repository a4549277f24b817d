import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, isAbsolute, join, resolve } from 'node:path';
import { z } from 'zod';
import { parseProjectName } from './domain/ids.js';
import { RESERVED_PREFIXES } from './domain/preview-name.js';
import type { Project } from './domain/project.js';
import { parseDuration, parseSize } from './domain/units.js';

/** Timers hold no more than 31 bits of milliseconds; a longer one would fire at once. */
const LONGEST_DURATION_MS = 24 * 86_400_000;

const duration = (initial: string) => z.string().default(initial).transform((text, context) => {
  const ms = parseDuration(text);
  if (ms !== undefined && ms > 0 && ms <= LONGEST_DURATION_MS) return ms;
  context.addIssue({ code: 'custom', message: `“${text}” is not a duration; write 500ms, 30s, 5m or 1h, 24d at most` });
  return z.NEVER;
});

const size = (initial: string) => z.string().default(initial).transform((text, context) => {
  const bytes = parseSize(text);
  if (bytes !== undefined && bytes > 0) return bytes;
  context.addIssue({ code: 'custom', message: `“${text}” is not a size; write 512MiB or 1GiB` });
  return z.NEVER;
});

const count = (initial: number) => z.coerce.number('is not a number').int('is not a whole number').positive('must be 1 or more').default(initial);
const port = () => z.coerce.number('is not a port').int('is not a port').min(0, 'is not a port').max(65_535, 'is not a port');
const insidePath = (initial: string) => z.string().default(initial)
  .refine((path) => !isAbsolute(path) && !path.split('/').includes('..'), 'must be a path inside the repository');

/** Every setting with its default and its sentence; the README's table is made from it. */
export const SETTINGS = z.strictObject({
  url: z.url({ protocol: /^https?$/, error: 'is not an http or https URL', abort: true })
    .refine((text) => { const { pathname, search, username } = new URL(text); return pathname === '/' && search === '' && username === ''; }, 'must be scheme, host and port only').optional().describe('The server host in every redirect and link; default `http://localhost:<port>`'),
  port: port().default(3000).describe('The port to listen on; 0 takes a free one'),
  listen: z.string().default('127.0.0.1').describe('The address to listen on; any but loopback needs a token'),
  stateDir: z.string().optional().describe('Where mirrors, records and logs are kept; default `$XDG_STATE_HOME/slipway`'),
  token: z.string().min(16, 'must have 16 characters or more').optional().describe('What changes must present as a bearer; default: made on the first start, kept in the state directory'),
  logLevel: z.enum(['error', 'warn', 'info', 'debug'], 'must be error, warn, info or debug').default('info').describe('What the application log keeps'),
  builds: z.strictObject({
    concurrency: count(2).describe('Builds at the same time'),
    timeout: duration('20m').describe('The longest a build may take'),
    silence: duration('10m').describe('The longest a build may print nothing'),
    queue: count(100).describe('Builds that may wait'),
    perMinute: count(30).describe('Builds started in any minute'),
  }).prefault({}),
  hold: z.strictObject({
    navigation: duration('1s').describe('How long a page is held before the waiting page'),
    request: duration('30s').describe('How long anything else is held before 503'),
  }).prefault({}),
  idle: z.strictObject({
    stop: duration('30m').describe('Nothing in flight for so long stops a container'),
  }).prefault({}),
  build: z.strictObject({
    context: insidePath('.').describe('The folder of the repository that Docker receives'),
    dockerfile: insidePath('Dockerfile').describe('The Dockerfile, relative to the context'),
    target: z.string().optional().describe('The stage of the Dockerfile to build; default: the last'),
  }).prefault({}),
  run: z.strictObject({
    port: port().min(1, 'is not a port').optional().describe('The port the application listens on; default: the image’s single EXPOSE, else 3000'),
    readyTimeout: duration('60s').describe('How long the application may take to answer'),
    stopTimeout: duration('10s').describe('How long it may take to end after SIGTERM'),
    memory: size('512MiB').describe('Memory of a container; no swap'),
    cpus: z.coerce.number('is not a number').positive('must be more than 0').default(1).describe('Processors of a container'),
    pids: count(256).describe('Processes and threads of a container'),
    profile: z.enum(['compat', 'strict'], 'must be compat or strict').default('compat').describe('`strict`: read-only root, no capabilities, not root'),
  }).prefault({}),
});

type Settings = z.output<typeof SETTINGS>;

/** What the process runs with: settings read once, in exact units. */
export interface Config {
  readonly settings: Settings;
  readonly stateDir: string;
  readonly projects: readonly Project[];
  /** Addresses and CIDR ranges whose forwarded headers count. */
  readonly trustedProxies: readonly string[];
  /** Of the surroundings: for git's children and for finding the engine. */
  readonly surroundings: { readonly path: string; readonly home: string; readonly dockerHost: string | undefined };
}

/** All that is wrong with a configuration, one sentence each. */
export class ConfigFaults extends Error {
  readonly faults: readonly string[];
  constructor(faults: readonly string[]) {
    super(`The configuration has ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`);
    this.name = 'ConfigFaults';
    this.faults = faults;
  }
}

/** Values from the command line, by setting name such as `port` or `builds.concurrency`. */
export type Flags = Readonly<Record<string, string | undefined>>;
type Environment = Readonly<Record<string, string | undefined>>;

/** Slipway gives these to previews; it never reads them, so that it can preview itself. */
const INJECTED = new Set(['BUILD', 'COMMIT', 'BRANCH', 'RELEASE', 'ENV', 'URL'].map((name) => `SLIPWAY_${name}`));
/** `SLIPWAY_URL` belongs to previews, so the server's own URL has another name. */
const RENAMED: Readonly<Record<string, string>> = { url: 'SLIPWAY_SERVER_URL' };

/** A setting as the README lists it. */
/** Arguments can be seen by every user of the machine, so that a secret has no flag. */
const WITHOUT_FLAG: ReadonlySet<string> = new Set(['token']);

export interface SettingEntry { readonly name: string; readonly flag: string | null; readonly variable: string; readonly initial: string; readonly description: string }

/** All settings in order, `builds.perMinute` style. */
export function listSettings(): readonly SettingEntry[] {
  return Object.entries(SETTINGS.shape).flatMap(([name, schema]) => entriesOf(name, schema));
}

function entriesOf(name: string, schema: z.ZodType): SettingEntry[] {
  if (schema instanceof z.ZodPrefault) {
    const group = schema.def.innerType as z.ZodObject;
    return Object.entries(group.shape).flatMap(([inner, innerSchema]) => entriesOf(`${name}.${inner}`, innerSchema as z.ZodType));
  }
  return [{ name, flag: WITHOUT_FLAG.has(name) ? null : flagOf(name), variable: variableOf(name), initial: initialOf(schema), description: schema.description ?? '' }];
}

function initialOf(schema: z.ZodType): string {
  let current: unknown = schema;
  while (current instanceof z.ZodPipe) current = current.def.in;
  return current instanceof z.ZodDefault ? String(current.def.defaultValue) : '';
}

/** How the command line calls a setting: `builds.perMinute` → `--builds-per-minute`. */
export function flagOf(name: string): string {
  return `--${name.replaceAll('.', '-').replace(/[A-Z]/g, '-$&').toLowerCase()}`;
}

function variableOf(name: string): string {
  return RENAMED[name] ?? `SLIPWAY_${name.replace(/[A-Z]/g, '_$&').replaceAll('.', '_').toUpperCase()}`;
}

/**
 * Reads the configuration of `slipway serve <repository>`: defaults, then `SLIPWAY_*`, then flags.
 *
 * @throws ConfigFaults with every fault there is, unknown `SLIPWAY_` variables included
 */
export function loadConfig(repository: string | undefined, flags: Flags, env: Environment = process.env): Config {
  const faults: string[] = [];
  const given = gather(flags, env, faults);
  const parsed = SETTINGS.safeParse(given.tree);
  if (!parsed.success) faults.push(...parsed.error.issues.map((issue) => describeIssue(issue, given.origin)));
  if (repository === undefined) faults.push('name a repository: slipway serve <path-or-url>');
  const place = repository === undefined ? undefined : placeOf(repository, faults);
  if (parsed.success) checkDoors(parsed.data, faults);
  if (!parsed.success || place === undefined || faults.length > 0) throw new ConfigFaults(faults);
  const settings = parsed.data;
  return {
    settings,
    stateDir: resolve(settings.stateDir ?? join(nonEmpty(env.XDG_STATE_HOME) ?? join(env.HOME ?? homedir(), '.local', 'state'), 'slipway')),
    projects: [projectOf(place, settings)],
    trustedProxies: [],
    surroundings: { path: env.PATH ?? '/usr/local/bin:/usr/bin:/bin', home: env.HOME ?? homedir(), dockerHost: env.DOCKER_HOST },
  };
}

interface Given { readonly tree: Record<string, unknown>; readonly origin: Map<string, string> }

function gather(flags: Flags, env: Environment, faults: string[]): Given {
  const given: Given = { tree: {}, origin: new Map() };
  const entries = listSettings();
  const known = new Set(entries.map(({ variable }) => variable));
  for (const name of Object.keys(env)) {
    if (name.startsWith('SLIPWAY_') && !known.has(name) && !INJECTED.has(name)) faults.push(`${name} is not a setting; the README lists all there are`);
  }
  for (const { name, variable } of entries) {
    const fromFlag = flags[name];
    const value = fromFlag ?? env[variable];
    if (value === undefined) continue;
    const origin = fromFlag === undefined ? variable : flagOf(name);
    given.origin.set(name, origin);
    if (value.trim() === '') faults.push(`${origin} is empty; leave it away for the default`);
    else put(given.tree, name.split('.'), value);
  }
  return given;
}

function put(tree: Record<string, unknown>, [first = '', ...rest]: readonly string[], value: string): void {
  if (rest.length === 0) { tree[first] = value; return; }
  const inner = (tree[first] ??= {}) as Record<string, unknown>;
  put(inner, rest, value);
}

function describeIssue(issue: z.core.$ZodIssue, origin: ReadonlyMap<string, string>): string {
  const name = issue.path.join('.');
  return `${origin.get(name) ?? name} ${issue.message}`;
}

const nonEmpty = (text: string | undefined): string | undefined => (text === '' ? undefined : text);

const LOOPBACK = /^(?:127(?:\.\d{1,3}){3}|::1|localhost)$/;

function checkDoors({ listen, token }: Settings, faults: string[]): void {
  if (LOOPBACK.test(listen) || token !== undefined) return;
  faults.push(`listening on ${listen} lets others in: set SLIPWAY_TOKEN, or leave --listen away to stay on 127.0.0.1`);
}

interface Place { readonly repository: string; readonly name: string }

/** `host:path` is ssh unless such a path exists here. */
function placeOf(repository: string, faults: string[]): Place | undefined {
  const remote = /^[a-z][a-z0-9+.-]*:\/\//i.test(repository) || (/^[^/]+:/.test(repository) && !existsSync(repository));
  if (!remote && !existsSync(repository)) {
    faults.push(`there is no repository at ${resolve(repository)}`);
    return undefined;
  }
  const whole = remote ? repository : resolve(repository);
  return { repository: whole, name: nameFrom(basename(whole.replace(/[/:]+$/, '').replace(/\.git$/, '').replace(/\/$/, ''))) };
}

function nameFrom(text: string): string {
  const name = text.split(/[/:]/).at(-1)?.toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-+/, '') ?? '';
  const reserved = name === '' || RESERVED_PREFIXES.some((prefix) => `${name}-`.startsWith(prefix));
  return `${reserved ? 'app-' : ''}${name}`.slice(0, 40).replace(/-+$/, '');
}

function projectOf({ repository, name }: Place, settings: Settings): Project {
  const { build, run } = settings;
  return {
    name: parseProjectName(name),
    repository,
    host: null,
    cache: true,
    idleStopMs: settings.idle.stop,
    images: { registries: [], labels: {} },
    recipe: { context: build.context, dockerfile: build.dockerfile, target: build.target ?? null, args: {}, platform: null, dependencies: {} },
    run: {
      port: run.port ?? null, readyTimeoutMs: run.readyTimeout, stopTimeoutMs: run.stopTimeout, memoryBytes: run.memory,
      cpus: run.cpus, pids: run.pids, profile: run.profile, env: {},
    },
    environments: new Map(),
    stages: [],
  };
}

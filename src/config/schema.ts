import { z } from 'zod';
import { parseImageReference } from '../domain/image-reference.js';
import { variableFault } from '../domain/setting.js';
import { amount, count, duration, durationOrNever, hostName, insidePath, isAddressRange, listOf, oneOf, port, serverUrl, share, size, switchOf, text, textsByName } from './kinds.js';
import { healthCheck, processes } from './run-kinds.js';

const variables = () => textsByName(variableFault);
const buildArguments = () => textsByName((name) => (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) ? undefined : `“${name}” is not the name of a build argument`));
const anyTexts = () => textsByName(() => undefined);
/** Whether an image can be named by it: `host` or `host:port`, lower case. What none could be named by would never match. */
export const isRegistry = (entry: string): boolean => {
  try {
    return parseImageReference(`${entry}/image:tag`).registry === entry;
  } catch {
    return false;
  }
};
const isPattern = (entry: string): boolean => entry.trim() !== '';

/** What is read and checked already, so that a file stays as it is, though nothing acts on it in this version. */
const later = (description: string) => ({ description, later: true });

const BUILD = {
  context: insidePath().prefault('.').describe('The folder of the repository that Docker receives'),
  dockerfile: insidePath().prefault('Dockerfile').describe('The Dockerfile, relative to the context'),
  target: text().nullable().optional().describe('The stage of the Dockerfile to build; default: the last'),
  cache: switchOf().prefault(true).describe('`false` builds without any cache'),
};
const RUN = {
  port: port({ least: 1 }).optional().describe('The port the application listens on; default: the image’s single EXPOSE, else 3000'),
  readyTimeout: duration().prefault('60s').describe('How long the application may take to answer'),
  stopTimeout: duration().prefault('10s').describe('How long it may take to end after SIGTERM'),
  memory: size().prefault('512MiB').describe('Memory of a container; no swap'),
  cpus: amount().prefault(1).describe('Processors of a container'),
  pids: count().prefault(256).describe('Processes and threads of a container'),
  profile: oneOf('compat', 'strict').prefault('compat').describe('`strict`: read-only root, no capabilities, not root'),
};

/** What an environment or a stage changes. */
const PLACE = () => z.strictObject({
  env: variables().prefault({}).describe('Variables that differ there'),
  memory: size().optional().describe('Memory there'),
  cpus: amount().optional().describe('Processors there'),
});

/** Every setting of the server with its default and its sentence; the README's table is made from it. */
export const SETTINGS = z.strictObject({
  url: serverUrl().optional().describe('The server host in every redirect and link; default `http://localhost:<port>`'),
  port: port({ least: 0 }).prefault(3000).describe('The port to listen on; 0 takes a free one'),
  listen: text().prefault('127.0.0.1').describe('The address to listen on; any but loopback needs a token'),
  stateDir: text().optional().describe('Where mirrors, records and logs are kept; default `$XDG_STATE_HOME/slipway`'),
  token: text().refine((token) => token.length >= 16, 'must have 16 characters or more').optional().describe('What changes must present as a bearer; default: made on the first start, kept in the state directory'),
  logLevel: oneOf('error', 'warn', 'info', 'debug').prefault('info').describe('What the application log keeps'),
  trustedProxies: listOf('an address or a range such as 10.0.0.0/8', isAddressRange).prefault([]).describe('Peers whose forwarded headers count; commas in a variable'),
  routing: oneOf('subdomain', 'session').prefault('subdomain').describe('`session`: one host for all, the preview is chosen by the browser’s session'),
  builds: z.strictObject({
    concurrency: count().prefault(2).describe('Builds at the same time'),
    timeout: duration().prefault('20m').describe('The longest a build may take'),
    silence: duration().prefault('10m').describe('The longest a build may print nothing'),
    queue: count().prefault(100).describe('Builds that may wait'),
    perMinute: count().prefault(30).describe('Builds started in any minute'),
    archive: switchOf().prefault(false).meta(later('Keep the context of each build')),
  }).prefault({}),
  hold: z.strictObject({
    navigation: duration().prefault('1s').describe('How long a page is held before the waiting page'),
    request: duration().prefault('30s').describe('How long anything else is held before 503'),
  }).prefault({}),
  idle: z.strictObject({
    sleep: durationOrNever().prefault('5m').describe('Nothing in flight for so long freezes a container, which wakes with the next request in milliseconds; or `never`'),
    stop: durationOrNever().prefault('30m').describe('Nothing in flight for so long stops a container; or `never`'),
  }).prefault({}),
  limits: z.strictObject({
    running: count().prefault(50).describe('Containers that may be there, asleep or awake; those that nobody used for longest go for others'),
    images: count().prefault(500).describe('Images that are kept; beyond it those that nobody used for longest are removed, and built again when they are wanted'),
    memory: share().prefault('90%').describe('How full the machine’s memory may get before previews that nobody uses stop'),
    disk: share().prefault('85%').describe('How full the disk may get before images that nobody needs are removed'),
  }).prefault({}),
  build: z.strictObject(BUILD).prefault({}),
  run: z.strictObject(RUN).prefault({}),
});

/** What the file alone can say. */
export const FILE_ONLY = {
  registries: z.record(z.string(), z.strictObject({ username: text(), passwordFile: text() })).prefault({}).describe('Credentials of private registries for `FROM` and `?image=`, by host: `{ username, passwordFile }`'),
  blobs: text().prefault('file:').meta(later('Where archives are kept')),
};

type Shape = Readonly<Record<string, z.ZodType>>;
/** The same settings with nothing filled in: what a project leaves out is the server's. */
const withoutDefaults = <Given extends Shape>(shape: Given) => Object.fromEntries(Object.entries(shape).map(([name, schema]) => {
  const inner = schema instanceof z.ZodPrefault ? schema.def.innerType as z.ZodType : schema;
  return [name, inner.optional().meta(schema.meta() ?? {})];
})) as { [Name in keyof Given]: z.ZodOptional<Given[Name] extends z.ZodPrefault<infer Inner> ? Inner : Given[Name]> };

/** Every setting of one project. */
export const PROJECT = z.strictObject({
  repository: text().describe('A URL, an ssh address, or a path relative to this file; must be given'),
  host: hostName().optional().describe('Its own host; default `<name>.<server host>`'),
  publish: text().optional().describe('The branch whose new commits are released to the first stage by themselves'),
  build: z.strictObject({
    ...withoutDefaults(BUILD),
    args: buildArguments().prefault({}).describe('Build arguments; `{commit}` stands for the commit'),
    keepBuilds: count().refine((most) => most >= 2, 'must be 2 or more: the current image and the one before it').prefault(2).describe('Images that each branch keeps for rollback, its current one among them; stages keep all while there is room, and at least as many beyond `limits.images` and `limits.disk`'),
  }).prefault({}),
  run: z.strictObject({
    ...withoutDefaults(RUN),
    health: healthCheck().optional().describe('What must answer for it to be ready and healthy: `GET /healthz 200`, `HEAD / 204` or `tcp`; with times as `{ test: GET /healthz 200, every: 10s, timeout: 5s, unhealthy: 30s }`. Default: ready is any answer below 500 to `GET /`'),
    env: variables().prefault({}).describe('Variables of the application'),
    processes: processes().optional().describe('What runs beside the image’s own command, each in a container of its own: `{ web: null, worker: [npm, run, worker] }`; `web` is that command, and the only one that is visited'),
  }).prefault({}),
  environments: z.record(z.string(), PLACE().nullable()).prefault({}).describe('Named settings that any preview may be opened in, with `&env=NAME`'),
  stages: z.record(z.string(), PLACE().nullable()).prefault({}).describe('Where releases are promoted, in this order, each with settings of its own as an environment has'),
  idle: z.strictObject({
    sleep: durationOrNever().optional().describe('Overrides the server’s; `never` for what works without being asked'),
    stop: durationOrNever().optional().describe('Overrides the server’s; `never` lets it run'),
  }).prefault({}),
  git: z.strictObject({
    tokenFile: text().optional().describe('A file with the access token for https; sent as a password'),
    sshKey: text().optional().describe('A private key file for ssh'),
    knownHosts: text().optional().describe('The hosts file for ssh'),
  }).prefault({}),
  keep: listOf('a branch pattern', isPattern).prefault([]).describe('Branches that are kept built and running, such as `[main, release/*]`; `*` stands for anything but a slash, `**` for anything'),
  images: z.strictObject({
    registries: listOf('a registry such as registry.example.com or 127.0.0.1:5000, in lower case', isRegistry).prefault([]).describe('Registries whose images may run with `?image=`; none by default'),
    labels: anyTexts().prefault({}).describe('Labels such an image must carry'),
  }).prefault({}),
  dependsOn: z.array(z.strictObject({ project: text(), range: text(), as: text() })).prefault([]).meta(later('Projects whose images this one is built on')),
});

/** The whole file but for its projects. */
export const SERVER = SETTINGS.extend(FILE_ONLY);

export type Settings = z.output<typeof SERVER>;
export type ProjectSettings = z.output<typeof PROJECT>;

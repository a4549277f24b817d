import {
  BUILD, BUILDS, CHANGED, COUNT, DIFF, GC, HEALTH, LINE, MOVED, ONCE, PREVIEW, PROJECTS, RELEASES, SETTINGS, STAGE, STAGES, UPDATE,
  type BuildAnswer, type ChangedAnswer, type DiffAnswer, type GcAnswer, type LineAnswer, type HealthAnswer, type MovedAnswer, type OnceAnswer, type PreviewAnswer,
  type ProjectAnswer, type ReleaseAnswer, type SettingsAnswer, type StageAnswer, type UpdateAnswer,
} from './answers.js';
import { createAsking, understand, type Answer, type Asking, type AskingDeps } from './asking.js';
import { eventsOf, linesOf } from './streams.js';
import { sendByHttp, type Send } from './transport.js';

/** A branch or a commit; neither for the branch that the project publishes. */
export interface Wanted { readonly branch?: string | undefined; readonly commit?: string | undefined }
/** Where settings apply; neither for all of the project. */
export interface SettingsPlace { readonly stage?: string | undefined; readonly env?: string | undefined }
export interface Promotion { readonly stage: string; readonly release: string | undefined; readonly force: boolean }
export interface Rollback { readonly to: string | undefined; readonly hops: number | undefined; readonly rebuild: boolean }
/** Exactly one of the two. */
export interface RollbackPlace { readonly stage?: string; readonly preview?: string }
export interface SettingsChange { readonly set: Readonly<Record<string, string>>; readonly secrets: Readonly<Record<string, string>>; readonly unset: readonly string[] }
export interface ReleaseFilter { readonly stage?: string | undefined; readonly preview?: string | undefined; readonly limit: number }
/** Without a name it is the process `web`. */
export interface LogReading { readonly follow: boolean; readonly processName: string | undefined }
export interface StatusQuestion { readonly project?: string | undefined; readonly branch?: string | undefined; readonly hash?: string | undefined; readonly env?: string | undefined }

/** What happens to a build: a line of its log, or another state; the last state is the last event. */
export type BuildEvent = { readonly kind: 'line'; readonly line: LineAnswer } | { readonly kind: 'state'; readonly build: Answer<BuildAnswer> };

/** A verb for each thing that the API can do. Each throws a CommandFailure with the server's words. */
export interface Client {
  projects(): Promise<Answer<readonly ProjectAnswer[]>>;
  stages(project: string): Promise<Answer<readonly StageAnswer[]>>;
  stage(project: string, stage: string): Promise<Answer<StageAnswer>>;
  health(project: string): Promise<Answer<HealthAnswer>>;
  preview(question: StatusQuestion): Promise<Answer<PreviewAnswer>>;
  releases(project: string, filter: ReleaseFilter): Promise<Answer<readonly ReleaseAnswer[]>>;
  publish(project: string, wanted: Wanted): Promise<Answer<MovedAnswer>>;
  promote(project: string, promotion: Promotion): Promise<Answer<MovedAnswer>>;
  rollback(project: string, place: RollbackPlace, rollback: Rollback): Promise<Answer<MovedAnswer>>;
  settings(project: string, place: SettingsPlace): Promise<Answer<SettingsAnswer>>;
  changeSettings(project: string, place: SettingsPlace, change: SettingsChange): Promise<Answer<ChangedAnswer>>;
  update(project: string, update: { readonly branch?: string | undefined; readonly force: boolean }): Promise<Answer<UpdateAnswer>>;
  build(project: string, build: Wanted & { readonly force: boolean }): Promise<Answer<BuildAnswer>>;
  findBuild(id: string): Promise<Answer<BuildAnswer>>;
  diff(id: string): Promise<Answer<DiffAnswer>>;
  /** Of a project, newest first. */
  builds(project: string): Promise<Answer<readonly BuildAnswer[]>>;
  /** What a build printed, line by line. */
  buildLog(id: string): AsyncIterable<string>;
  /** Until the build ends; `after` is the number of the last line that is known. */
  buildEvents(id: string, after: number): AsyncIterable<BuildEvent>;
  explainGc(): Promise<Answer<GcAnswer>>;
  gc(): Promise<Answer<GcAnswer>>;
  /** How many were restarted. */
  restart(project: string): Promise<Answer<{ readonly count: number }>>;
  /** How many were stopped. */
  stop(project: string): Promise<Answer<{ readonly count: number }>>;
  /** What a process of a release printed, line by line; with `follow` until its container ends. */
  releaseLog(project: string, release: string, reading: LogReading): AsyncIterable<string>;
  /** The same for what a preview serves now; it follows the process `web` only. */
  previewLog(project: string, label: string, reading: LogReading): AsyncIterable<string>;
  runOnce(project: string, once: { readonly release: string; readonly command: readonly string[] }): AsyncIterable<OnceAnswer>;
}

export interface ClientOptions extends Omit<AskingDeps, 'send'> {
  /** Who makes the changes, for the records. */
  readonly by: string | undefined;
  readonly send?: Send;
}

export function createClient({ by, send = sendByHttp, ...options }: ClientOptions): Client {
  const asking = createAsking({ ...options, send });
  const called = options.server.href.replace(/\/$/, '');
  const { json } = asking;
  const post = (path: string, body: Readonly<Record<string, unknown>>) => ({ method: 'POST', path, body: { ...body, ...(by === undefined ? {} : { by }) } }) as const;
  return {
    projects: () => json(PROJECTS, { path: '/api/projects' }),
    stages: (project) => json(STAGES, { path: `${below(project)}/stages` }),
    stage: (project, stage) => json(STAGE, { path: `${below(project)}/stages/${stage}` }),
    health: (project) => json(HEALTH, { path: `/apps/${project}/health` }),
    preview: (query) => json(PREVIEW, { path: '/api/status', query: { ...query } }),
    releases: (project, filter) => json(RELEASES, { path: `${below(project)}/releases`, query: { ...filter } }),
    publish: (project, wanted) => json(MOVED, post(`${below(project)}/publish`, { ...wanted })),
    promote: (project, { stage, release, force }) => json(MOVED, post(`${below(project)}/stages/${stage}/promote`, { release, ...on('force', force) })),
    rollback: (project, { stage, preview }, { rebuild, ...where }) =>
      json(MOVED, post(`${below(project)}/${preview === undefined ? `stages/${stage ?? ''}` : `previews/${preview}`}/rollback`, { ...where, ...on('rebuild', rebuild) })),
    settings: (project, place) => json(SETTINGS, { path: `${below(project)}/config`, query: { ...place } }),
    changeSettings: (project, place, change) => json(CHANGED, { ...post(`${below(project)}/config`, withoutEmpty(change)), query: { ...place } }),
    update: (project, { branch, force }) => json(UPDATE, post(`${below(project)}/update`, { branch, ...on('invalidate', force) })),
    build: (project, { branch, commit, force }) => json(BUILD, post(`${below(project)}/builds`, { branch, commit, ...on('force', force) })),
    findBuild: (id) => json(BUILD, { path: `/api/builds/${id}` }),
    diff: (id) => json(DIFF, { path: `/api/builds/${id}/diff` }),
    builds: (project) => json(BUILDS, { path: `${below(project)}/builds` }),
    explainGc: () => json(GC, { path: '/api/gc' }),
    gc: () => json(GC, post('/api/gc', {})),
    restart: (project) => json(COUNT, post(`/apps/${project}/restart`, {})),
    stop: (project) => json(COUNT, post(`/apps/${project}/stop`, {})),
    ...createReading(asking, called),
    runOnce: async function* runOnce(project, once) {
      const body = await asking.stream('application/x-ndjson', post(`${below(project)}/run-once`, { ...once }));
      for await (const text of linesOf(body)) if (text !== '') yield understand(ONCE, { text, called });
    },
  };
}

/** What is read while it comes. */
function createReading(asking: Asking, called: string): Pick<Client, 'buildEvents' | 'buildLog' | 'releaseLog' | 'previewLog'> {
  const lines = async (path: string, query: Readonly<Record<string, string | undefined>>) => linesOf(await asking.stream('text/plain', { path, query }));
  const events = async (path: string, { query = {}, after = 0 }: { query?: Readonly<Record<string, string>>; after?: number }) =>
    eventsOf(await asking.stream('text/event-stream', { path, query, headers: after > 0 ? { 'last-event-id': String(after) } : {} }));
  return {
    buildEvents: async function* buildEvents(id, after) {
      for await (const { event, text } of await events(`/api/builds/${id}/events`, { after })) {
        if (event === 'line') yield { kind: 'line', line: understand(LINE, { text, called }) };
        if (event === 'state') yield { kind: 'state', build: { text, value: understand(BUILD, { text, called }) } };
      }
    },
    buildLog: async function* buildLog(id) { yield* await lines(`/api/builds/${id}/log`, {}); },
    releaseLog: async function* releaseLog(project, release, { follow, processName }) {
      yield* await lines(`${below(project)}/releases/${release}/log`, { 'process': processName, follow: follow ? '1' : undefined });
    },
    previewLog: async function* previewLog(project, label, { follow, processName }) {
      if (!follow) { yield* await lines(`/api/previews/${label}/log`, { project, 'process': processName }); return; }
      for await (const { event, text } of await events(`/api/previews/${label}/events`, { query: { project } })) {
        if (event !== 'line') continue;
        const line = understand(LINE, { text, called });
        yield `${line.at} ${line.text}`;
      }
    },
  };
}

const below = (project: string): string => `/api/projects/${project}`;

/** A switch that is off is left away. */
const on = (name: string, value: boolean): Readonly<Record<string, true>> => (value ? { [name]: true } : {});

const withoutEmpty = (change: SettingsChange): Record<string, unknown> =>
  Object.fromEntries(Object.entries(change).filter(([, part]: [string, object]) => Object.keys(part).length > 0));

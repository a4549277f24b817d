import type { Project } from '../../src/domain/project.js';
import type { CommitHash } from '../../src/domain/ids.js';
import { eventually } from './eventually.js';
import { startTestApp, TOKEN, type TestApp, type TestAnswer, type TestAppOptions } from './test-app.js';

/** A server whose only project has the stages dev, test and prod, and calls of its API with the token. */
export interface StagedApp extends TestApp {
  readonly project: string;
  /** POSTs to `/api/projects/<project>/<path>`. */
  post(path: string, body?: object): Promise<TestAnswer>;
  /** What `GET /api/projects/<project>/<path>` says. */
  read<Answer = Record<string, unknown>>(path: string): Promise<Answer>;
  /** Commits a file, builds the commit and appends a release of it to a stage. @returns its id, such as `v1` */
  release(file: string, stage?: string): Promise<string>;
  /** The same, and lets the stage serve it. */
  run(file: string, stage?: string): Promise<{ readonly id: string; readonly commit: CommitHash }>;
  /** What the application on a stage's host says of itself. */
  shown(stage?: string): Promise<Record<string, unknown>>;
}

export async function startStagedApp({ change = (project) => project, ...options }: TestAppOptions & { change?: (project: Project) => Project } = {}): Promise<StagedApp> {
  const stages = new Map([['dev', { env: {} }], ['test', { env: { API: 'https://api.test' } }], ['prod', { env: {} }]]);
  let project = '';
  const app = await startTestApp({
    ...options,
    configure: (config) => ({ ...config, projects: config.projects.map((own) => { project = own.name; return change({ ...own, stages }); }) }),
  });
  const post: StagedApp['post'] = (path, body = {}) => app.control(`/api/projects/${project}/${path}`, {
    method: 'POST', headers: { 'authorization': `Bearer ${TOKEN}`, 'content-type': 'application/json' }, body: JSON.stringify(body),
  });
  const release: StagedApp['release'] = async (file, stage = 'dev') => {
    const commit = app.repository.commit({ [file]: file });
    const { build } = (await app.open(`hash=${commit}`)).json() as { build: { id: string } };
    const made = await post('releases', { build: build.id, stage });
    if (made.status !== 201) throw new Error(made.text);
    return String(made.json().id);
  };
  return {
    ...app, project, post, release,
    get port() { return app.port; },
    read: async <Answer>(path: string) => JSON.parse((await app.control(`/api/projects/${project}/${path}`)).text) as Answer,
    run: async (file, stage = 'dev') => {
      const id = await release(file, stage);
      const moved = await post(`stages/${stage}/run`, { release: id });
      if (moved.status !== 200) throw new Error(moved.text);
      return { id, commit: app.repository.head() };
    },
    shown: async (stage = 'dev') => (await app.get(`${stage}.localhost`, '/')).json(),
    [Symbol.asyncDispose]: () => app[Symbol.asyncDispose](),
  };
}

/** Takes the image of a release away behind the server's back, with its containers. */
export async function removeImageOf(app: StagedApp, release: string): Promise<void> {
  const { image } = await app.read<{ image: string }>(`releases/${release}`);
  for (const { id, image: its } of await app.engine.list()) if (its === image) await app.engine.remove(id);
  await eventually(async () => { await app.engine.removeImage(image as never); return true; }, { what: 'the image is removed' });
}

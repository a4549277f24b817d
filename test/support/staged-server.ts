import { createSampleRepository, scriptDockerfile, type SampleRepository } from './sample-repository.js';
import { startServer, type Answer, type ServerProcess } from './server-process.js';

/** An application whose answers name its version; `/env`, `/slow?ms=`, `/overwrite` and `/file` do as they are called. */
const APP = `const { createServer } = require('node:http');
const fs = require('node:fs');
const version = fs.readFileSync('version.txt', 'utf8').trim();
const unhealthy = fs.existsSync('unhealthy.txt');
process.on('SIGTERM', () => { console.log('bye'); setTimeout(() => process.exit(0), 50); });
console.log('version ' + version + ' starts');
createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://app');
  if (pathname === '/env') return response.end(JSON.stringify(process.env));
  if (pathname === '/slow') return setTimeout(() => response.end(version), Number(searchParams.get('ms')));
  if (pathname === '/overwrite') { fs.writeFileSync('version.txt', 'overwritten'); return response.end('written'); }
  if (pathname === '/file') return response.end(fs.readFileSync('version.txt'));
  if (unhealthy) response.statusCode = 500;
  response.end(version);
}).listen(process.env.PORT);
`;

/** The files of a version of that application; an unhealthy one answers 500. */
export const versionOf = (version: string, { unhealthy = false } = {}): Record<string, string | null> => ({
  'Dockerfile': scriptDockerfile('app.cjs'), 'app.cjs': APP, 'version.txt': `${version}\n`, 'unhealthy.txt': unhealthy ? 'yes' : null,
});

export interface StagedServer extends ServerProcess {
  readonly sample: SampleRepository;
  readonly project: string;
  /** POSTs to `/api/projects/<project>/<path>` with the token. */
  post(path: string, body?: object): Promise<Answer & { readonly json: Record<string, unknown> }>;
  /** What `GET /api/projects/<project>/<path>` says. */
  read<Said = Record<string, unknown>>(path: string): Promise<Said>;
  /** Commits a version on a branch. @returns the commit */
  commit(version: string, options?: { readonly branch?: string; readonly unhealthy?: boolean }): Promise<string>;
  /** Commits a version and publishes it to dev. @returns the release */
  publish(version: string): Promise<{ readonly id: string; readonly commit: string; readonly image: string }>;
  /** The body of a page on a stage's host. */
  shown(stage: string, path?: string): Promise<string>;
}

/** A server with one project on the sample repository, with the stages dev, test and prod; `more` goes below the project. */
export async function startStagedServer(more = '', { args = [], stages = [] }: { readonly args?: readonly string[]; /** Beside those three. */ readonly stages?: readonly string[] } = {}): Promise<StagedServer> {
  const sample = await createSampleRepository();
  const { project } = sample;
  const config = `projects:\n  ${project}:\n    repository: ${sample.path}\n    stages: { dev: {}, test: { env: { API: https://api.test } }, prod: {}${stages.map((stage) => `, ${stage}: {}`).join('')} }\n${more}`;
  const server = await startServer({ config, args });
  const post: StagedServer['post'] = async (path, body = {}) => {
    const answer = await server.get('localhost', `/api/projects/${project}/${path}`, {
      method: 'POST', body: JSON.stringify(body), headers: { 'authorization': `Bearer ${await server.token()}`, 'content-type': 'application/json' },
    });
    return { ...answer, json: JSON.parse(answer.text) as Record<string, unknown> };
  };
  const commit: StagedServer['commit'] = (version, { branch = 'staged', unhealthy = false } = {}) => sample.commit(branch, versionOf(version, { unhealthy }));
  // The process behind may be another one after a restart, so that nothing is copied from it.
  const own = {
    sample, project, post, commit,
    read: async <Said>(path: string) => JSON.parse((await server.get('localhost', `/api/projects/${project}/${path}`)).text) as Said,
    publish: async (version: string) => {
      const { status, text, json } = await post('publish', { commit: await commit(version) });
      if (status !== 200) throw new Error(text);
      return json.release as { id: string; commit: string; image: string };
    },
    shown: async (stage: string, path = '/') => (await server.get(`${stage}.localhost`, path)).text,
    [Symbol.asyncDispose]: async () => { await server[Symbol.asyncDispose](); await sample[Symbol.asyncDispose](); },
  };
  return new Proxy(server as StagedServer, { get: (target, name) => (Reflect.has(own, name) ? Reflect.get(own, name) : Reflect.get(target, name)) as unknown });
}

import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { openEngine } from './engine-proxy.js';

/** The real engine under an address where it says that it is too old for BuildKit, so that the classic builder is used. */
export interface ClassicEngine extends AsyncDisposable {
  /** As the value of `DOCKER_HOST`. */
  readonly address: string;
  /** The builders that were asked for. */
  readonly builders: ReadonlySet<string>;
}

const LAST_WITHOUT_BUILDKIT = '1.38';

export async function startClassicEngine(): Promise<ClassicEngine> {
  const folder = await mkdtemp(join(tmpdir(), 'slipway-classic-'));
  const path = join(folder, 'docker.sock');
  const builders = new Set<string>();
  const server = createServer((req, res) => {
    const { pathname, searchParams } = new URL(req.url ?? '/', 'http://engine');
    if (pathname === '/build') builders.add(searchParams.get('version') ?? '');
    void pass(req, res, pathname === '/version');
  });
  server.listen(path);
  await once(server, 'listening');
  return {
    address: `unix://${path}`, builders,
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function pass(req: IncomingMessage, res: ServerResponse, isVersion: boolean): Promise<void> {
  const { url, method, headers } = req;
  const asked = request({ path: url, method, headers: { ...headers, connection: 'close' }, createConnection: () => openEngine(false) });
  asked.on('error', () => { res.destroy(); });
  res.once('close', () => { asked.destroy(); });
  req.pipe(asked);
  const answer = await once(asked, 'response').then(([first]) => first as IncomingMessage, () => undefined);
  if (!answer) return;
  if (isVersion) { res.end(JSON.stringify({ ...await json(answer) as object, ApiVersion: LAST_WITHOUT_BUILDKIT })); return; }
  const { connection: _ofOneHop, ...kept } = answer.headers;
  res.writeHead(answer.statusCode ?? 500, kept);
  answer.on('error', () => { res.destroy(); });
  answer.pipe(res);
  res.flushHeaders();
}

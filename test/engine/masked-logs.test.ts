import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { scriptDockerfile } from '../support/sample-repository.js';
import { startStagedServer, versionOf, type StagedServer } from '../support/staged-server.js';

const SECRET = 's3cr3t-value-1';
const PAGE = { accept: 'text/html' };
const KEY = '-----BEGIN KEY-----\nc2VjcmV0IGxpbmU=\n-----END KEY-----\n';
/** Prints its secrets as programs do, in words, in colours, as JSON and line by line; what it says of itself proves that it did. */
const PRINTS = `console.log('token ' + process.env.TOKEN + '\\u001b[31m' + process.env.TOKEN.slice(0, 5) + '\\u001b[0m' + process.env.TOKEN.slice(5));
console.error(JSON.stringify(process.env)); console.log(process.env.KEY); console.log('x'.repeat(16384 - 9) + process.env.TOKEN + 'y'.repeat(9000)); console.log('printed ' + process.env.TOKEN.length);
`;
const SERVES = "require('node:http').createServer((_q, r) => r.end('up')).listen(process.env.PORT); process.on('SIGTERM', () => process.exit(0));";

describe('X12: secrets that an application prints, on the real engine', () => {
  let server: StagedServer;
  const publish = async (version: string, then: string) => {
    const commit = await server.sample.commit(version, { ...versionOf(version), 'Dockerfile': scriptDockerfile('app.cjs'), 'app.cjs': PRINTS + then });
    return { commit, answer: await server.post('publish', { commit }) };
  };
  const expectMasked = (text: string) => {
    expect(text).toContain('token ******');
    expect(text).toContain('printed 14');
    for (const part of [SECRET, SECRET.slice(0, 6), 'c2VjcmV0', 'BEGIN KEY']) expect(text).not.toContain(part);
  };

  beforeAll(async () => {
    server = await startStagedServer();
    expect((await server.post('config', { secrets: { TOKEN: SECRET, KEY } })).status).toBe(200);
  }, 120_000);
  afterAll(async () => { await server[Symbol.asyncDispose](); }, 60_000);

  it('are masked in its log while it runs and after, and in the kept file', async () => {
    const { answer } = await publish('talks', SERVES);
    const { id } = answer.json.release as { id: string };
    const log = () => server.get('localhost', `/api/projects/${server.project}/releases/${id}/log`);
    expectMasked((await log()).text);
    expectMasked((await server.get('localhost', '/previews/dev', { headers: PAGE })).text);
    expect((await server.post('config?stage=dev', { set: { NEXT: '1' } })).status).toBe(200);
    const folder = `${server.stateDir}/logs/releases`;
    await eventually(async () => readdirSync(folder).includes(`${server.project}-${id}.log`), { what: 'its log is kept' });
    expectMasked(readFileSync(`${folder}/${server.project}-${id}.log`, 'utf8'));
    expectMasked((await log()).text);
  }, 90_000);

  it('are masked in the answer and on the page that say why it crashed', async () => {
    const { commit, answer } = await publish('crashes', 'process.exitCode = 3;');
    expect(answer.json).toMatchObject({ error: 'crashed' });
    expectMasked((answer.json.lastLines as string[]).join('\n'));
    const page = await server.get(`hash-${commit}.localhost`, '/', { headers: PAGE });
    expect(page.status).toBe(502);
    expectMasked(page.text);
    for (const path of ['/status', '/log', '/releases', `/api/projects/${server.project}/stages`]) expect((await server.get('localhost', path)).text).not.toContain(SECRET);
    expect(server.logged()).not.toContain(SECRET);
  }, 90_000);

  it('are masked in what a command run once prints', async () => {
    const { json } = (await publish('runs', SERVES)).answer;
    const command = ['sh', '-c', 'printf "token ${TOKEN%-value-1}"; sleep 0.2; echo "-value-1$TOKEN"; echo "$KEY" >&2; echo "printed ${#TOKEN}"'];
    const ran = await server.get('localhost', `/api/projects/${server.project}/run-once`, {
      method: 'POST', body: JSON.stringify({ release: (json.release as { id: string }).id, command }), headers: { 'authorization': `Bearer ${await server.token()}`, 'content-type': 'application/json' },
    });
    const lines = ran.text.trimEnd().split('\n').map((line) => JSON.parse(line) as { stream?: string; text?: string; exit?: number });
    const said = (stream: string) => lines.flatMap((line) => (line.stream === stream ? [line.text] : [])).join('');
    expect([said('stdout'), said('stderr').trimEnd(), lines.at(-1)]).toEqual(['token ******\nprinted 14\n', '***\n***\n***', { exit: 0 }]);
  }, 60_000);
});

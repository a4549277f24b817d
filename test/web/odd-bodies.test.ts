import { startStagedApp, type StagedApp } from '../support/staged-app.js';

const send = ({ control, project, token }: StagedApp, path: string, body: string) =>
  control(`/api/projects/${project}/${path}`, { method: 'POST', headers: { 'authorization': `Bearer ${token}`, 'content-type': 'application/json' }, body });
const saidOf = (answer: { status: number; json: () => Record<string, unknown> }) => [answer.status, String(answer.json().message).replace(' Correct the request and send it again.', '')];

describe('a change by JSON', () => {
  let app: StagedApp;
  beforeAll(async () => { app = await startStagedApp(); });
  afterAll(async () => { await app[Symbol.asyncDispose](); });

  it.each([
    ['a name that would be dropped, in secrets', '{"secrets":{"__proto__":"x","GOOD":"y"}}', '“__proto__” cannot be a name.'],
    ['a name that would be dropped, in set', '{"set":{"__proto__":"x"}}', '“__proto__” cannot be a name.'],
    ['half of a character in a value', '{"set":{"A":"x\\ud800y"}}', '“set.A” has half of a character (a lone surrogate) in it.'],
    ['half of a character in a secret', '{"secrets":{"A":"\\udc00"}}', '“secrets.A” has half of a character (a lone surrogate) in it.'],
    ['half of a character in a name', '{"set":{"\\udc00":"x"}}', 'A name has half of a character (a lone surrogate) in it.'],
  ])('L4: with %s is refused, with nothing changed', async (_what, body, message) => {
    expect(saidOf(await send(app, 'config', body))).toEqual([400, message]);
    const listed = await app.control(`/api/projects/${app.project}/config`, { headers: { authorization: `Bearer ${app.token}` } });
    expect(listed.json().settings).toEqual([]);
  });

  it('L4: takes whole characters beyond the first plane, and however deep it is', async () => {
    expect(saidOf(await send(app, 'stages/dev/run', `{"release":${'['.repeat(30_000)}${']'.repeat(30_000)}}`))).toEqual([400, '“release” must be a text.']);
    expect((await send(app, 'config?stage=prod', '{"set":{"SMILE":"\\ud83d\\ude00"}}')).status).toBe(200);
  });

  it.each([['blanks only', '   '], ['a wide blank only', '\u3000'], ['a line separator', 'a\u2028b'], ['a paragraph separator', 'a\u2029b'], ['nothing', ''], ['a control character', 'a\u0007']])('L3: is not made by %s', async (_what, by) => {
    expect(saidOf(await send(app, 'publish', JSON.stringify({ branch: 'main', by })))).toEqual([400, '“by” must have 1 to 64 printable characters, not only blanks.']);
  });

  it('L3: is made by whoever has a blank in the name', async () => {
    expect((await send(app, 'publish', JSON.stringify({ branch: 'main', by: 'Grace Hopper' }))).json()).toMatchObject({ release: { by: 'Grace Hopper' } });
  });

  it.each(['1e2', '0x1', '%201', '1.0', '0', '-1', '1001', ''])('L5: lists no releases up to %j', async (limit) => {
    expect(saidOf(await app.control(`/api/projects/${app.project}/releases?limit=${limit}`))).toEqual([400, 'limit must be a whole number from 1 to 1000.']);
  });

  it('L5: lists releases of a stage or of a preview', async () => {
    expect(saidOf(await app.control(`/api/projects/${app.project}/releases?stage=dev&preview=branch-main`))).toEqual([400, 'Give stage or preview, not both.']);
  });
});

it('L6: a project that there is not is answered with the way to those there are, for the command line as well', async () => {
  await using app = await startStagedApp();
  expect((await app.control('/api/projects/nobody/releases')).json().message).toContain('slipway ls');
});

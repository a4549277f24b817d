import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Database } from '../../src/state/database.js';
import { eventually } from '../support/eventually.js';
import { startStagedApp, type StagedApp } from '../support/staged-app.js';
import { echo, NAVIGATION, type TestAppOptions } from '../support/test-app.js';

const SECRET = 's3cr3t-of-the-shop';

/** Its dev has the secret, and its application prints it; where `CRASH` is set it ends with that. */
async function startTalkative(options: TestAppOptions = {}): Promise<{ readonly app: StagedApp; readonly release: string }> {
  const app = await startStagedApp({
    ...options,
    program: (spec) => (spec.env.CRASH === undefined ? { lines: [`TOKEN=${spec.env.TOKEN ?? ''}`], serve: echo(spec) } : { lines: [`bad ${spec.env.TOKEN ?? ''}`], exits: { code: 1 } }),
  });
  await app.run('a');
  const { release } = (await app.post('config?stage=dev', { secrets: { TOKEN: SECRET } })).json();
  return { app, release: String(release) };
}

const logOf = (app: StagedApp, release: string) => app.control(`/api/projects/${app.project}/releases/${release}/log`);

describe('X12: a secret that an application prints', () => {
  it('is masked in its log while it runs and after, on its page, and in what is kept', async () => {
    const { app, release } = await startTalkative();
    await using _app = app;
    expect((await logOf(app, release)).text).toMatch(/^\S+Z TOKEN=\*\*\*\n$/);
    expect((await app.control('/api/previews/dev/log')).text).toContain('TOKEN=***');
    const page = await app.control('/previews/dev', { headers: NAVIGATION });
    expect([page.status, page.text.includes('TOKEN=***'), page.text.includes(SECRET)]).toEqual([200, true, false]);
    await app.post('config?stage=dev', { set: { NEXT: '1' } });
    expect((await logOf(app, release)).text).toContain('TOKEN=***');
    const folder = join(app.stateDir, 'logs', 'releases');
    // It is stopped once another one has replaced it.
    await eventually(() => readdirSync(folder).includes(`${app.project}-${release}.log`) && readFileSync(join(folder, `${app.project}-${release}.log`), 'utf8') !== '', { what: 'its log is kept' });
    expect(readFileSync(join(folder, `${app.project}-${release}.log`), 'utf8')).toMatch(/^\S+Z TOKEN=\*\*\*\n$/);
  });

  it('is masked on the pages and in the answers that say why it crashed', async () => {
    const { app } = await startTalkative();
    await using _app = app;
    const failed = await app.post('config', { secrets: { TOKEN: SECRET }, set: { CRASH: '1' } });
    expect(failed.json()).toMatchObject({ releases: [{ route: 'dev', error: { code: 'crashed', lastLines: ['bad ***'] } }] });
    const commit = app.repository.commit({ b: 'b' });
    const answer = await app.open(`hash=${commit}`);
    expect([answer.status, answer.json()]).toMatchObject([502, { error: 'crashed', lastLines: ['bad ***'] }]);
    const page = await app.get(app.commitHost(commit), '/', { headers: NAVIGATION });
    expect([page.status, page.text.includes('bad ***'), page.text.includes(SECRET)]).toEqual([502, true, false]);
    for (const path of ['/status', '/releases', '/previews/dev', '/log']) expect((await app.control(path, { headers: NAVIGATION })).text).not.toContain(SECRET);
    expect([failed.text, answer.text, JSON.stringify(app.log.recent())].join()).not.toContain(SECRET);
  });

  it('is not shown where the secrets cannot be read; the page of the preview is', async () => {
    let damaged = false;
    const watchDatabase = ({ db, close }: Database): Database => ({
      close,
      db: db.withPlugin({
        transformQuery: ({ node }) => node,
        transformResult: async ({ result }) => (damaged ? { ...result, rows: result.rows.map((row) => ('secrets' in row ? { ...row, secrets: Buffer.from('damaged') } : row)) } : result),
      }),
    });
    const { app, release } = await startTalkative({ watchDatabase });
    await using _app = app;
    damaged = true;
    for (const follow of ['', '?follow=1']) {
      const refused = await app.control(`/api/projects/${app.project}/releases/${release}/log${follow}`);
      expect([refused.status, refused.text.includes('secrets-key'), refused.text.includes(SECRET)]).toEqual([500, true, false]);
    }
    const page = await app.control('/previews/dev', { headers: NAVIGATION });
    expect([page.status, page.text.includes('TOKEN=')]).toEqual([200, false]);
    expect(app.log.recent().map(({ message }) => message)).toContain('application log not shown');
  });
});

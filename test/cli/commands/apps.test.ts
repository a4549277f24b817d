import { failure, startApi } from '../api-server.js';
import { runCli } from '../run-cli.js';

describe.each([['restart', 'Restarted'], ['stop', 'Stopped']])('slipway %s', (verb, done) => {
  it(`P11: prints \`${done} 1 app\`, and how many previews that were`, async () => {
    await using api = await startApi({ [`POST /apps/shop/${verb}`]: { json: { count: 1 } } });
    expect(await runCli([verb, 'shop'], api)).toEqual({ code: 0, stdout: `${done} 1 app, 1 preview\n`, stderr: '' });
    expect((await runCli([verb, 'shop', '--json'], api)).stdout).toBe('[{"count":1}]\n');
    expect(api.changes[0]).toEqual({ line: `POST /apps/shop/${verb}`, body: { by: 'alice' } });
  });

  it('P11: counts those of several projects, and ends at the first that cannot be', async () => {
    await using api = await startApi({ [`POST /apps/shop/${verb}`]: { json: { count: 2 } }, [`POST /apps/blog/${verb}`]: { json: { count: 0 } }, [`POST /apps/gone/${verb}`]: failure(404, 'unknown_project', { message: 'There is no project “gone”.' }) });
    expect((await runCli([verb, 'shop', 'blog'], api)).stdout).toBe(`${done} 2 apps, 2 previews\n`);
    expect((await runCli([verb, 'blog'], api)).stdout).toBe(`${done} 1 app, 0 previews\n`);
    expect(await runCli([verb, 'blog', 'gone', 'shop'], api)).toEqual({ code: 1, stdout: '', stderr: 'slipway: There is no project “gone”. (unknown_project, request req-1)\n' });
    expect(api.changes.map(({ line }) => line).slice(-2)).toEqual([`POST /apps/blog/${verb}`, `POST /apps/gone/${verb}`]);
  });
});

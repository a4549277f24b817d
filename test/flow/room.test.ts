import { until } from '../support/until.js';
import { heldNow, startTestApp, type TestApp } from '../support/test-app.js';

const containers = async (app: TestApp) => ((await app.control('/api/gc')).json().marks as { name: string; now: number; most: number }[]).find(({ name }) => name === 'containers');

describe('limits.running', () => {
  it('holds for one that is asked for again while it stops for another one', async () => {
    await using app = await startTestApp({ settings: { 'limits.running': '1' }, prepare: (repository) => { repository.commit({ other: 'other' }, { branch: 'other' }); } });
    const [first, second] = [app.repository.head('main'), app.repository.head('other')].map((commit) => app.commitHost(commit));
    expect((await app.get(first ?? '', '/')).status).toBe(200);
    const letGo = app.engine.hold('stop');
    expect((await app.get(second ?? '', '/')).status).toBe(200);
    expect((await app.control('/api/status?branch=main')).json().status).toBe('stopping');
    const again = app.get(first ?? '', '/');
    await until(async () => await heldNow(app) === 1, 'it is held');
    letGo();
    expect((await again).status).toBe(200);
    await until(async () => (await app.engine.list()).length === 1, 'the other one is gone');
    expect(await containers(app)).toMatchObject({ now: 1, most: 1 });
  });
});

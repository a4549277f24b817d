import { openLines } from '../support/lines.js';
import { startTestApp, type TestApp } from '../support/test-app.js';
import { eventually } from '../support/eventually.js';

const PATH = '/api/projects/repository/releases/v1/log';
const textsOf = (text: string): string[] => text.split('\n').filter((line) => line !== '').map((line) => line.slice(line.indexOf(' ') + 1));

/** A server that serves v1, which has printed a line. @returns the container as well */
async function startPrinting(app: TestApp, text: string) {
  expect((await app.get(app.commitHost(app.repository.head()), '/')).status).toBe(200);
  const [container] = await app.engine.list();
  if (!container) throw new Error('nothing runs');
  app.engine.print(container.id, text);
  return container.id;
}

describe('X15: GET …/releases/v1/log', () => {
  it('has what the running application printed, and still after its container is gone', async () => {
    await using app = await startTestApp();
    const id = await startPrinting(app, 'first');
    const answer = await app.control(PATH);
    expect([answer.status, answer.headers['content-type'], answer.headers['content-disposition'], textsOf(answer.text)]).toEqual([200, 'text/plain; charset=utf-8', 'inline; filename="repository-v1.log"', ['first']]);
    app.engine.exit(id, 1, ['last words']);
    await eventually(async () => (await app.engine.list()).length === 0, { what: 'the container is cleared away' });
    expect(textsOf((await app.control(PATH)).text)).toEqual(['first', 'last words']);
    await startPrinting(app, 'again');
    expect(textsOf((await app.control(PATH)).text)).toEqual(['first', 'last words', 'again']);
  });

  it('follow goes on while the application runs, and begins at once', async () => {
    await using app = await startTestApp();
    const id = await startPrinting(app, 'first');
    using reader = await openLines(app, { host: app.host, path: `${PATH}?follow=1` });
    await reader.until((line) => line.endsWith(' first'));
    app.engine.print(id, 'second', 'stderr');
    await reader.until((line) => line.endsWith(' second'));
    app.engine.exit(id, 0, ['bye']);
    await reader.ended;
    expect([reader.headers['x-accel-buffering'], textsOf(reader.lines.join('\n'))]).toEqual(['no', ['first', 'second', 'bye']]);
  });

  it('follow of what does not run gives what is kept, and ends', async () => {
    await using app = await startTestApp();
    const id = await startPrinting(app, 'first');
    await app.engine.remove(id);
    await eventually(async () => (await app.control('/status?branch=main')).text !== 'Ready', { what: 'it is seen to be gone' });
    using reader = await openLines(app, { host: app.host, path: `${PATH}?follow=1` });
    await reader.ended;
    expect(reader.status).toBe(200);
  });

  it('follow ends when the server stops, counts among the streams, and is not for pages of others', async () => {
    await using app = await startTestApp();
    await startPrinting(app, 'first');
    const foreign = await app.control(`${PATH}?follow=1`, { headers: { 'sec-fetch-site': 'cross-site' } });
    expect([foreign.status, foreign.json().error]).toEqual([403, 'cross_site']);
    using reader = await openLines(app, { host: app.host, path: `${PATH}?follow=1` });
    await reader.until((line) => line.endsWith(' first'));
    expect((await app.control(PATH, { method: 'HEAD' })).status).toBe(200);
    expect((await app.control(`${PATH}?follow=1`, { method: 'HEAD' })).status).toBe(200);
    const before = performance.now();
    await app.stop();
    await reader.ended;
    // A stop waits ten seconds for what does not end.
    expect(performance.now() - before).toBeLessThan(9_000);
  });

  it('has each process of a release that has several', async () => {
    await using app = await startTestApp({
      configure: (config) => ({ ...config, projects: config.projects.map((project) => ({ ...project, run: { ...project.run, processes: { worker: ['work'] } } })) }),
    });
    expect((await app.get(app.commitHost(app.repository.head()), '/')).status).toBe(200);
    for (const { id, process } of await app.engine.list()) app.engine.print(id, `of ${process ?? 'web'}`);
    const read = async (query: string) => textsOf((await app.control(`${PATH}${query}`)).text);
    expect([await read(''), await read('?process=web'), await read('?process=worker')]).toEqual([['of web'], ['of web'], ['of worker']]);
    const unknown = await app.control(`${PATH}?process=${encodeURIComponent('../x')}`);
    expect([unknown.status, unknown.json().message]).toEqual([400, expect.stringContaining('there is web, worker')]);
  });

  it('of a release or a project that there is not is not found', async () => {
    await using app = await startTestApp();
    const codeOf = async (path: string) => { const answer = await app.control(path); return [answer.status, answer.json().error]; };
    expect(await codeOf(PATH)).toEqual([404, 'unknown_release']);
    expect(await codeOf(PATH.replace('v1', 'newest'))).toEqual([404, 'unknown_release']);
    expect(await codeOf(PATH.replace('repository', 'other'))).toEqual([404, 'unknown_project']);
  });
});

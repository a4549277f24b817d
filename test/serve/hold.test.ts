import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AppError } from '../../src/domain/errors.js';
import type { Project } from '../../src/domain/project.js';
import type { EventStreams } from '../../src/kernel/event-stream.js';
import type { Answers } from '../../src/serve/answers.js';
import { createHold } from '../../src/serve/hold.js';
import type { Visit, VisitView } from '../../src/serve/visits.js';
import { createFakeClock } from '../support/fake-clock.js';
import { gate } from '../support/test-app.js';
import { until } from '../support/until.js';

/** A request of a program for a preview that opens at once; `through` says for each opening whether it still runs then. */
function askHeld(through: readonly boolean[], find: (visit: Visit) => Promise<Visit> = (visit) => Promise.resolve(visit)) {
  const clock = createFakeClock();
  const said: string[] = [];
  const view = { waiting: { state: 'stopping' } } as VisitView;
  const visit = { label: 'branch-a', open: () => { said.push('opened'); return Promise.resolve(); }, view: () => Promise.resolve(view) } as Visit;
  const answers = { failure: (_failed: unknown, error: Error) => { said.push(error.message); } } as unknown as Answers;
  const hold = createHold({
    visits: { find: () => find(visit), homes: () => Promise.resolve([]) },
    answers, clock, streams: {} as EventStreams, limits: { navigationMs: 1_000, requestMs: 30_000, most: 10, mostBytes: 200_000 }, urlOf: () => '',
  });
  const res = Object.assign(new EventEmitter(), { writableFinished: false, destroyed: false });
  let turn = 0;
  const forward = () => { said.push('forwarded'); return through[turn++] ?? false; };
  const done = hold.request({ url: '/', method: 'GET', headers: {} } as IncomingMessage, res as unknown as ServerResponse, {
    project: {} as Project, name: { kind: 'branch', slug: 'a', environment: null } as never, projectHost: 'localhost', forward,
  });
  return { clock, said, res, done };
}

describe('K20: a held request for a preview that is lost as soon as it runs', () => {
  it('opens it anew and goes through', async () => {
    const { clock, said, done } = askHeld([false, false, true]);
    await clock.advance(1_000);
    await done;
    expect(said).toEqual(['opened', 'forwarded', 'opened', 'forwarded', 'opened', 'forwarded']);
  });

  it('says so once its time is over', async () => {
    const { clock, said, done } = askHeld([]);
    await clock.advance(31_000);
    await done;
    expect(said.at(-1)).toBe('The preview is stopping.');
    expect(said.filter((what) => what === 'The preview is stopping.')).toHaveLength(1);
  });

  it('ends with its client', async () => {
    const { clock, said, res, done } = askHeld([]);
    await clock.advance(10);
    res.emit('close');
    await done;
    const before = said.length;
    await clock.advance(60_000);
    expect(said).toHaveLength(before);
    expect(said).not.toContain('The preview is stopping.');
  });
});

describe('a request whose client leaves', () => {
  it('while its preview is looked for opens nothing and holds nothing', async () => {
    const { opened: found, open: find } = gate();
    const { clock, said, res, done } = askHeld([true], async (visit) => { await found; return visit; });
    await clock.advance(10);
    res.destroyed = true;
    res.emit('close');
    find();
    await done;
    expect(said).toEqual([]);
  });
});

describe('bodies of held requests', () => {
  const KIB = 1024;
  /** Requests with these headers that wait together for one preview. @returns how each was refused; undefined for those that wait */
  async function holdAll(headers: readonly Record<string, string>[]): Promise<readonly (string | undefined)[]> {
    const refused = headers.map((): string | undefined => undefined);
    const visit = { label: 'branch-a', open: () => new Promise<void>(() => undefined), view: () => Promise.resolve({ waiting: { state: 'building' } } as VisitView) } as Visit;
    const answers = { failure: ({ req }: { req: IncomingMessage }, { code }: AppError) => { refused[Number(req.url?.slice(1))] = code; } } as unknown as Answers;
    const hold = createHold({
      visits: { find: () => Promise.resolve(visit), homes: () => Promise.resolve([]) },
      answers, clock: createFakeClock(), streams: {} as EventStreams, limits: { navigationMs: 1_000, requestMs: 30_000, most: 10, mostBytes: 200 * KIB }, urlOf: () => '',
    });
    const all = headers.map((each, at) => hold.request({ url: `/${at}`, method: 'POST', headers: each } as unknown as IncomingMessage, Object.assign(new EventEmitter(), { writableFinished: false }) as unknown as ServerResponse, {
      project: {} as Project, name: { kind: 'branch', slug: 'a', environment: null } as never, projectHost: 'localhost', forward: () => true,
    }));
    await until(() => hold.waiting + refused.filter((code) => code !== undefined).length === headers.length, 'each waits or is refused');
    hold.close();
    await Promise.all(all);
    return refused.map((code) => (code === 'shutting_down' ? undefined : code));
  }

  it('are counted by what is read of them before anybody wants them, and bounded', async () => {
    const large = { 'content-length': String(1024 ** 3) };
    expect(await holdAll([large, { 'transfer-encoding': 'chunked' }, large, large])).toEqual([undefined, undefined, undefined, 'too_busy']);
    expect(await holdAll([large, large, large, {}, { 'content-length': '100' }])).toEqual([undefined, undefined, undefined, undefined, undefined]);
  });

  it('are as many as the bound of requests says where they are small', async () => {
    expect((await holdAll(Array.from({ length: 12 }, () => ({})))).filter((code) => code === 'too_busy')).toHaveLength(2);
  });
});

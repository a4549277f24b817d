import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Project } from '../../src/domain/project.js';
import type { EventStreams } from '../../src/kernel/event-stream.js';
import type { Answers } from '../../src/serve/answers.js';
import { createHold } from '../../src/serve/hold.js';
import type { Visit, VisitView } from '../../src/serve/visits.js';
import { createFakeClock } from '../support/fake-clock.js';
import { gate } from '../support/test-app.js';

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
  const done = hold.request({ url: '/', method: 'GET', headers: {}, socket: new EventEmitter() } as IncomingMessage, res as unknown as ServerResponse, {
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

import { createPullOutput } from '../../src/engine/pull-output.js';

const json = (...messages: object[]) => messages.map((message) => `${JSON.stringify(message)}\r\n`).join('');
const layer = (id: string, status: string, progressDetail: object = {}) => ({ id, status, progressDetail });

/** Reads a stream, a step at a time, two and a half seconds apart. */
function read(...steps: string[]) {
  const lines: string[] = [];
  let now = 0;
  const output = createPullOutput({ onLine: (line) => { lines.push(line); }, monotonic: () => now });
  for (const step of steps) { now += 2_500; output.push(Buffer.from(step)); }
  return { lines, outcome: output.finish() };
}

const BEGIN = json({ status: 'Pulling from team/app', id: 'v1' }, layer('aaa', 'Pulling fs layer'), layer('bbb', 'Pulling fs layer'), layer('bbb', 'Waiting'));
const END = json({ status: 'Digest: sha256:abc' }, { status: 'Status: Downloaded newer image for r/team/app:v1' });

describe('the progress of a pull', () => {
  it('D13: is a line a step, and a sum of bytes every two seconds', () => {
    const { lines, outcome } = read(
      BEGIN, json(layer('aaa', 'Downloading', { current: 1_000_000, total: 10_000_000 }), layer('aaa', 'Downloading', { current: 2_000_000, total: 10_000_000 })),
      json(layer('bbb', 'Downloading', { current: 500_000, total: 20_000_000 })),
      json(layer('aaa', 'Verifying Checksum'), layer('aaa', 'Download complete'), layer('aaa', 'Extracting', { current: 1, total: 10_000_000 }), layer('aaa', 'Pull complete')),
      json(layer('bbb', 'Downloading', { current: 20_000_000, total: 20_000_000 })), END,
    );
    expect(outcome).toEqual({ kind: 'pulled' });
    expect(lines).toEqual([
      'v1: Pulling from team/app', 'aaa: Pulling fs layer', 'bbb: Pulling fs layer', '1.0 of 10.0 MB fetched, 0 of 2 layers complete',
      '2.5 of 30.0 MB fetched, 0 of 2 layers complete', 'aaa: Download complete', '10.5 of 30.0 MB fetched, 0 of 2 layers complete', 'aaa: Pull complete',
      '30.0 of 30.0 MB fetched, 1 of 2 layers complete', 'Digest: sha256:abc', 'Status: Downloaded newer image for r/team/app:v1',
    ]);
  });

  it('is read however the stream is cut', () => {
    const bytes = Buffer.from(BEGIN + json({ status: 'läuft', id: 'ö' }) + END);
    const lines: string[] = [];
    const output = createPullOutput({ onLine: (line) => { lines.push(line); }, monotonic: () => 0 });
    for (const byte of bytes) output.push(Uint8Array.of(byte));
    expect([output.finish(), lines.includes('ö: läuft')]).toEqual([{ kind: 'pulled' }, true]);
  });

  it('D13: is a success only when the end was told', () => {
    expect(read(BEGIN).outcome).toEqual({ kind: 'cut' });
    expect(read().outcome).toEqual({ kind: 'cut' });
    expect(read(BEGIN, END.trimEnd()).outcome).toEqual({ kind: 'pulled' });
  });

  it.each([
    [{ errorDetail: { message: 'unknown blob' }, error: 'unknown blob' }, 'unknown blob'],
    [{ error: ' short ' }, 'short'],
    [{ errorDetail: {} }, 'The engine reported an error without words.'],
  ])('a failure is one whatever comes after: %j', (message, words) => {
    expect(read(BEGIN, json(message), json({ error: 'second' }), END).outcome).toEqual({ kind: 'failed', message: words });
  });

  it.each(['{"status":', 'not json', '[1]', 'null', '"text"'])('what cannot be understood is a failure: %j', (line) => {
    expect(read(BEGIN, `${line}\n`, END).outcome).toMatchObject({ kind: 'failed', message: expect.stringContaining('cannot be understood') as string });
  });

  it.each([{ status: 7 }, { id: 'x' }, {}, layer('x', 'Downloading', { current: 'many' }), { status: 'Downloading', progressDetail: { current: 1 } }, layer('x', 'Downloading', { current: 1, total: -1 })])('what says nothing costs nothing: %j', (message) => {
    expect(read(BEGIN, json(message), END).outcome).toEqual({ kind: 'pulled' });
  });

  it('a line without an end is given up before it fills the memory', () => {
    const { outcome } = read(...Array.from({ length: 5 }, () => 'x'.repeat(1024 * 1024)));
    expect(outcome).toMatchObject({ kind: 'failed', message: expect.stringContaining('more than 4 MiB') as string });
  });
});

import { readSecrets, type Input } from '../../src/cli/secrets.js';

/** A terminal at which somebody types; keys may come one by one or pasted. */
function createTerminal(...typed: readonly string[]) {
  const raw: boolean[] = [];
  let shown = '';
  const keys = async function* keys(): AsyncGenerator<Uint8Array> {
    for (const text of typed) {
      // What is typed while the terminal echoes can be read over the shoulder.
      if (raw.at(-1) !== true) shown += text;
      yield Buffer.from(text);
    }
  };
  const stdin: Input = { isTTY: true, setRawMode: (on) => { raw.push(on); }, [Symbol.asyncIterator]: keys };
  return { stdin, stderr: { write: (text: string) => { shown += text; } }, raw, shown: () => shown };
}

describe('X12: a secret at a terminal', () => {
  it('is asked for by name and shown nowhere', async () => {
    const terminal = createTerminal('s', '3', 'c', 'r', '3', 't', '\r', 'other\r');
    expect(await readSecrets(['TOKEN', 'KEY'], terminal)).toEqual([['TOKEN', 's3cr3t'], ['KEY', 'other']]);
    expect(terminal.shown()).toBe('TOKEN: \nKEY: \n');
    expect(terminal.raw).toEqual([true, false]);
  });

  it('can be corrected while it is typed', async () => {
    expect(await readSecrets(['A'], createTerminal('nonsense\x15äbx', '\x7f', '\bß\r'))).toEqual([['A', 'äß']]);
    // A letter of several bytes may come in two parts.
    const [first, second] = [Buffer.from('ä').subarray(0, 1), Buffer.from('ä').subarray(1)];
    const parts: Input = { isTTY: true, setRawMode: () => undefined, [Symbol.asyncIterator]: async function* parted() { yield first; yield second; yield Buffer.from('\n'); } };
    expect(await readSecrets(['A'], { stdin: parts, stderr: { write: () => undefined } })).toEqual([['A', 'ä']]);
  });

  it.each<[string, readonly string[], object]>([
    ['Ctrl-C', ['s3c', '\x03'], { exitCode: 130, message: 'Interrupted.' }],
    ['nothing but Enter', ['\r'], { exitCode: 2, message: 'The value of A is empty. To take a setting away: slipway config unset.' }],
    ['Ctrl-D', ['\x04'], { exitCode: 2 }],
    ['several lines, pasted', ['s3cr3t\rmore\r'], { exitCode: 2, message: expect.stringContaining('Read a value of several lines with --secret-file NAME=FILE.') as string }],
  ])('is not taken after %s, and the terminal echoes again', async (_what, typed, failure) => {
    const terminal = createTerminal(...typed);
    await expect(readSecrets(['A'], terminal)).rejects.toMatchObject(failure);
    expect(terminal.raw).toEqual([true, false]);
    expect(terminal.shown()).not.toContain('s3c');
  });
});

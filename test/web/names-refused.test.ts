import { execFile } from 'node:child_process';
import { Agent, request } from 'node:http';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { isRefName } from '../../src/domain/ref-name.js';
import { createFakeClock } from '../support/fake-clock.js';
import { createTestFolder } from '../support/git.js';
import { recordGit, type GitRecorder } from '../support/git-recorder.js';
import { startTestApp, type TestApp } from '../support/test-app.js';

/** The cases of git's own t/t1402-check-ref-format.sh, in its order, and what they are made of. */
const CORPUS = [
  'heads/foo', 'foo', 'foo/bar/baz', 'refs///heads/foo', 'heads/foo/', './foo', '.refs/foo', 'heads/foo..bar', 'heads/foo?bar', 'foo./bar', 'heads/foo.lock', 'heads/foo@bar', 'heads/v@{ation', 'heads/foo\\bar',
  '@{-1}', '@{-2}', 'heads/foo/../bar', 'heads/./foo', 'heads\\foo', '/heads/foo', '///heads/foo', '/foo', 'foo.lock', 'v@{ation', 'foo\\bar', 'foo?bar', 'foo/', 'foo//bar', 'foo.lock/bar', 'foo.', '..', '.', '/', '', 'a b', 'a~b', 'a^b', 'a:b', 'a*b', 'a[b',
  ...Array.from({ length: 31 }, (_, index) => `a${String.fromCharCode(index + 1)}b`), 'a\x7fb',
];
const FUZZED = 5_000;

const difficult = fc.constantFrom('a', 'B', '.', '..', '/', '//', '.lock', '.lock/', '@', '{', '@{', '@{-1}', '~', '^', ':', '?', '*', '[', ']', '\\', ' ', '-', '--', '\x01', '\t', '\n', '\r\n', '\x7f', '\x80', 'é', 'e\u0301', '🚀', 'ש', ';', '$(x)', "'", '"', '%', '#', 'HEAD', 'refs/heads/', '\u2028', '\ufeff');
const made = fc.array(difficult, { minLength: 1, maxLength: 6 }).map((parts) => parts.join(''));
const anyText = fc.oneof({ weight: 5, arbitrary: made }, fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }), fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }), fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 30 }), made.map((text) => `${text}/${'x'.repeat(200)}`));

/** Different texts that can be an argument of a program: without NUL and half characters. */
function fuzzedNames(): string[] {
  const names = new Set<string>();
  for (const text of fc.sample(anyText, { numRuns: 3 * FUZZED, seed: 1_402 })) if (!text.includes('\0') && Buffer.from(text).toString() === text) names.add(text);
  return [...names].slice(0, FUZZED);
}

const SCRIPT = 'for name in "$@"; do if git check-ref-format "refs/heads/$name"; then echo 1; else echo 0; fi; done';

/** Asks git itself about each name with a command of its own; four shells at a time give the commands. */
async function verdictsOfGit(names: readonly string[]): Promise<boolean[]> {
  const size = Math.ceil(names.length / 4);
  const parts = [0, 1, 2, 3].map((index) => names.slice(index * size, (index + 1) * size));
  const answers = await Promise.all(parts.map((part) => promisify(execFile)('sh', ['-c', SCRIPT, 'sh', ...part])));
  return answers.flatMap(({ stdout }) => stdout.split('\n').filter((line) => line !== '').map((line) => line === '1'));
}

let app: TestApp;
let recorder: GitRecorder;
const folder = createTestFolder();
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
beforeAll(async () => {
  recorder = recordGit(folder.path);
  // A clock that stands: nothing but a request can be the cause of a git.
  app = await startTestApp({ clock: createFakeClock(), configure: (config) => ({ ...config, surroundings: { ...config.surroundings, path: recorder.path } }) });
});
afterAll(async () => {
  agent.destroy();
  await app[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

/** Status and code of the answer, on one connection for all of them. */
function ask(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port: app.port, path, agent, headers: { host: `localhost:${app.port}` } }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => { text += chunk; }).on('error', reject);
      answer.on('end', () => { resolve(`${answer.statusCode ?? 0} ${(/"error":"(\w+)"/.exec(text) ?? [])[1] ?? text}`); });
    }).on('error', reject).end();
  });
}

describe('A1: names that git refuses', () => {
  it('are refused on every page that takes one, by the verdict of git itself, for its own corpus, and no git is started', async () => {
    const verdicts = await verdictsOfGit(CORPUS);
    const refused = [...CORPUS.filter((_name, index) => verdicts[index] === false), 'a\0b', '\0', 'main\0'];
    expect(CORPUS.map(isRefName)).toEqual(verdicts);
    expect(refused.length).toBeGreaterThan(60);
    const before = recorder.calls().length;
    expect(before).toBeGreaterThan(0);
    for (const name of refused) {
      for (const path of ['/?branch=', '/deep/path?x=1&branch=', '/status?branch=', '/api/status?branch=', '/api/wait?branch=']) {
        expect([path, name, await ask(`${path}${encodeURIComponent(name)}`)]).toEqual([path, name, '400 invalid_branch']);
      }
    }
    expect(recorder.calls()).toHaveLength(before);
  });

  it('are the same 5,000 times over, and each of them is a bad request without a git', async () => {
    const names = fuzzedNames();
    const verdicts = await verdictsOfGit(names);
    expect([names.length, verdicts.length]).toEqual([FUZZED, FUZZED]);
    expect(names.filter((name, index) => isRefName(name) !== verdicts[index])).toEqual([]);
    const refused = names.filter((_name, index) => verdicts[index] === false);
    expect(refused.length).toBeGreaterThan(1_000);
    expect(FUZZED - refused.length).toBeGreaterThan(500);
    const before = recorder.calls().length;
    const wrong: string[] = [];
    for (const name of refused) if (await ask(`/?branch=${encodeURIComponent(name)}`) !== '400 invalid_branch') wrong.push(name);
    expect(wrong).toEqual([]);
    expect(recorder.calls()).toHaveLength(before);
  }, 180_000);

  it('are told from those it accepts: a git is started for one that nobody has', async () => {
    const before = recorder.calls().length;
    expect(await ask('/?branch=nobody-has-it')).toBe('404 unknown_ref');
    expect(recorder.calls().length).toBeGreaterThan(before);
  });
});

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createBuildOutput } from '../../src/engine/build-output.js';
import { baseImageOf } from '../../src/engine/build-steps.js';
import { decodeTrace } from '../../src/engine/buildkit-trace.js';

/** What an engine sent, byte for byte. */
const recorded = (name: string): Buffer => readFileSync(join(import.meta.dirname, 'recorded', `${name}.jsonl`));
const line = (message: unknown): Buffer => Buffer.from(`${JSON.stringify(message)}\n`);

function read(...chunks: Uint8Array[]) {
  const lines: string[] = [];
  const output = createBuildOutput((text) => { lines.push(text); });
  chunks.forEach((chunk) => { output.push(chunk); });
  return { outcome: output.finish(), lines };
}

const ID = `sha256:${'a'.repeat(64)}`;
const IMAGE = line({ aux: { ID } });

describe('the output of BuildKit', () => {
  it('reads like docker build --progress=plain', () => {
    const { outcome, lines } = read(recorded('buildkit-success'));
    expect(outcome).toEqual({ kind: 'image', id: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) as string });
    expect(lines.map((text) => text.replace(/\d+\.\d+s$/, 'N s').replace(/sha256:\w+/, 'sha256:…'))).toEqual(expect.arrayContaining([
      '#1 [internal] load remote build context', '#1 DONE N s',
      '#3 [internal] load metadata for docker.io/slipway-demo/node:latest',
      '#4 [2/2] RUN echo hello; sleep 0.2; echo wörld >&2', '#4 hello', '#4 wörld', '#4 DONE N s',
      '#6 exporting to image',
    ]));
  });

  it('says which steps came from the cache', () => {
    const { lines } = read(recorded('buildkit-cached'));
    expect(lines.filter((text) => text.endsWith(' CACHED'))).toEqual(['#5 CACHED']);
  });

  it('E22: fails with the step\'s own words', () => {
    const { outcome, lines } = read(recorded('buildkit-failure'));
    expect(outcome).toEqual({ kind: 'failed', message: 'executor failed running [/bin/sh -c echo oops; exit 3]: exit code: 3' });
    expect(lines.slice(-2)).toEqual(['#5 oops', '#5 ERROR executor failed running [/bin/sh -c echo oops; exit 3]: exit code: 3']);
  });

  it('E18: names the base image that cannot be had', () => {
    expect(read(recorded('buildkit-missing')).outcome).toEqual({ kind: 'failed', message: expect.stringMatching(/^The base image “registry\.invalid\/there:1” could not be had: .*no such host\. It must exist/) as string });
  });

  it.each([
    ['[internal] load metadata for docker.io/library/node:20', 'node:20'],
    ['[2/5] FROM docker.io/acme/shop:1@sha256:0000000000000000000000000000000000000000000000000000000000000000', 'acme/shop:1'],
    ['FROM 127.0.0.1:5000/base:1', '127.0.0.1:5000/base:1'],
    ['resolve image config for docker-image://docker.io/docker/dockerfile:1', 'docker/dockerfile:1'],
    ['[2/5] RUN echo FROM x', undefined],
  ])('knows the base image of %s', (name, image) => {
    expect(baseImageOf(name)).toBe(image);
  });

  it('refuses a trace that ends early', () => {
    const { aux } = JSON.parse(recorded('buildkit-success').toString().split('\n')[1] ?? '') as { aux: string };
    const trace = Buffer.from(aux, 'base64');
    expect(() => decodeTrace(trace.subarray(0, -3).toString('base64'))).toThrow(RangeError);
  });
});

describe('the output of the classic builder', () => {
  it('is passed on, and the image is the last one named', () => {
    const { outcome, lines } = read(recorded('classic-success'));
    expect(outcome.kind).toBe('image');
    expect(lines[0]).toBe('Step 1/3 : FROM slipway-demo/node:latest');
    expect(lines).toContain('hello');
  });

  it('E22: fails with the step\'s own words', () => {
    expect(read(recorded('classic-failure')).outcome).toEqual({ kind: 'failed', message: 'The command \'/bin/sh -c echo oops; exit 3\' returned a non-zero code: 3' });
  });

  it('E18: names the base image that cannot be had', () => {
    expect(read(recorded('classic-missing')).outcome).toEqual({ kind: 'failed', message: expect.stringMatching(/^The base image “registry\.invalid\/there:1” could not be had/) as string });
  });

  it('leaves out the thousands of progress reports of a pull', () => {
    const { lines } = read(line({ status: 'Downloading', id: 'abc', progressDetail: { current: 1, total: 9 } }), line({ status: 'Pull complete', id: 'abc', progressDetail: {} }));
    expect(lines).toEqual(['abc: Pull complete']);
  });
});

describe('E22: success is only what is proven', () => {
  it('reads the same wherever the stream is cut', () => {
    const whole = recorded('buildkit-success');
    const bytes = Array.from(whole, (_byte, at) => whole.subarray(at, at + 1));
    expect(read(...bytes)).toEqual(read(whole));
  });

  it('calls a stream that ends early cut', () => {
    const whole = recorded('buildkit-success');
    const beforeImage = whole.subarray(0, whole.indexOf('{"id":"moby.image.id"'));
    expect(read(beforeImage).outcome).toEqual({ kind: 'cut' });
    expect(read().outcome).toEqual({ kind: 'cut' });
  });

  it.each([
    ['garbage', Buffer.from('{"stream": oops\n')],
    ['a cut line', Buffer.from('{"stream":"Step 1')],
    ['something that is no object', Buffer.from('42\n')],
    ['a broken trace', line({ id: 'moby.buildkit.trace', aux: 'CgUKR3No' })],
    ['an image id that is none', line({ aux: { ID: 'nonsense' } })],
  ])('fails on %s, even when an image is named', (_name, bytes) => {
    expect(read(IMAGE, bytes).outcome).toEqual({ kind: 'failed', message: expect.stringMatching(/cannot be understood/) as string });
  });

  it('keeps the first error whatever comes after it', () => {
    const { outcome } = read(line({ errorDetail: { message: 'first' }, error: 'first' }), line({ error: 'second' }), IMAGE);
    expect(outcome).toEqual({ kind: 'failed', message: 'first' });
  });

  it('fails on an error without words', () => {
    expect(read(line({ errorDetail: {} }), IMAGE).outcome.kind).toBe('failed');
  });
});

describe('E10: lines without end', () => {
  it('keep their first 16 KiB and say what they lost', () => {
    const { lines } = read(line({ stream: 'é'.repeat(10_000) }), line({ stream: `${'x'.repeat(100)}\nnext\n` }), IMAGE);
    expect(lines).toEqual([`${'é'.repeat(8_192)} … ${10_000 * 2 - 16_384 + 100} bytes omitted`, 'next']);
  });

  it('end the build when the engine\'s own line has no end', () => {
    const piece = Buffer.alloc(1024 * 1024, 'x');
    expect(read(...Array.from({ length: 6 }, () => piece)).outcome.kind).toBe('failed');
  });

  it('show a progress bar as a terminal would at the end', () => {
    const { lines } = read(line({ stream: '10 %\r' }), line({ stream: '100 %\r' }), line({ stream: '\nwindows\r\n' }), IMAGE);
    expect(lines).toEqual(['100 %', 'windows']);
  });
});

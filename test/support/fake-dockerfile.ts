import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract } from 'tar-stream';
import type { BuildRequest } from '../../src/engine/port.js';
import type { FakeProgram } from './fake-containers.js';
import type { FakeBuild } from './fake-engine.js';

/** Base images that the fake has. */
const PRESENT = /^(slipway-demo\/node(:latest)?|scratch)$/;
const FOR_EVER = new Promise<never>(() => undefined);

/**
 * Reads the context's Dockerfile as far as the contract's fixtures go: FROM, ARG, `RUN echo …`, `RUN … exit N`,
 * `RUN sleep infinity`, EXPOSE, and in CMD the mode of `app.cjs`, and COPY of one file.
 */
export async function readFakeDockerfile({ context, dockerfile, args }: BuildRequest): Promise<FakeBuild> {
  const files = await readTar(context);
  const text = files.get(dockerfile);
  if (text === undefined) return { lines: [], fail: `failed to read dockerfile: open ${dockerfile}: no such file or directory` };
  const lines: string[] = [];
  const exposedPorts: number[] = [];
  const copied: Record<string, string> = {};
  let program: FakeProgram = { refused: 'No command specified' };
  for (const [, word = '', rest = ''] of text.matchAll(/^([A-Z]+) (.*)$/gm)) {
    lines.push(`${word} ${rest}`);
    if (word === 'FROM' && !PRESENT.test(rest)) return { lines, fail: `The base image “${rest}” could not be had: no such host.` };
    if (word === 'EXPOSE') exposedPorts.push(...rest.split(' ').map(Number));
    if (word === 'CMD') program = programOf((JSON.parse(rest) as string[]).at(-1) ?? '');
    if (word === 'COPY') {
      const [from = '', to = ''] = rest.split(' ');
      copied[to.replace(/^\//, '')] = files.get(from) ?? '';
    }
    if (word !== 'RUN') continue;
    for (const [, words = ''] of rest.matchAll(/echo ([^;&]*)/g)) lines.push(words.trim().replace(/\$(\w+)/g, (_whole, name: string) => args[name] ?? ''));
    if (rest.includes('sleep infinity')) return { lines, until: FOR_EVER };
    const code = /exit (\d+)/.exec(rest)?.[1];
    if (code !== undefined) return { lines, fail: `executor failed running [${rest}]: exit code: ${code}` };
  }
  return { lines, exposedPorts, program, files: copied };
}

/** What `app.cjs` of the contract's fixtures does in each mode. */
export function programOf(mode: string): FakeProgram {
  const serve: FakeProgram = { serve: (request, response) => { response.end(`hello from ${request.url ?? ''}`); }, lines: ['listening'] };
  switch (mode) {
    case 'serve': return serve;
    case 'deaf': return { ...serve, deaf: true };
    case 'crash': return { lines: ['one', 'two', 'three'], exits: { code: 3 } };
    case 'hungry': return { exits: { code: 137, outOfMemory: true } };
    case 'local': return { lines: ['listening'], listens: [{ port: 3000, loopbackOnly: true }] };
    default: return { lines: [`[FATAL tini (7)] exec ${mode} failed: No such file or directory`], exits: { code: 127 } };
  }
}

async function readTar(context: NodeJS.ReadableStream): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  const unpack = extract();
  unpack.on('entry', (header, stream, next) => {
    const chunks: Buffer[] = [];
    stream.pipe(new Writable({ write: (chunk: Buffer, _encoding, done) => { chunks.push(chunk); done(); } }))
      .on('finish', () => { files.set(header.name, Buffer.concat(chunks).toString()); next(); });
  });
  await pipeline(context, unpack);
  return files;
}

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { registryName, registryOf } from '../../src/domain/registry.js';
import { createBuildOutput } from '../../src/engine/build-output.js';
import { readMessage, textOf, writeTexts } from '../../src/engine/protobuf.js';
import { createRegistryAuth, ifPrivate, isRefusal, refusingRegistry } from '../../src/engine/registry-auth.js';
import { createTestFolder } from '../support/git.js';

/** What an engine sent while a registry let nobody in, byte for byte. */
const recorded = (name: string): Buffer => readFileSync(join(import.meta.dirname, 'recorded', `${name}.jsonl`));
const line = (message: unknown): Buffer => Buffer.from(`${JSON.stringify(message)}\n`);

function read(bytes: Uint8Array, mask?: (words: string) => string) {
  const lines: string[] = [];
  const output = createBuildOutput((text) => { lines.push(text); }, mask);
  output.push(bytes);
  return { outcome: output.finish(), lines };
}

describe('D17: the names of a registry', () => {
  it.each([
    ['Registry.Example.com', 'registry.example.com'], ['127.0.0.1:5000', '127.0.0.1:5000'],
    ['docker.io', 'docker.io'], ['index.docker.io', 'docker.io'], ['registry-1.docker.io', 'docker.io'],
  ])('%s is %s', (host, name) => { expect(registryName(host)).toBe(name); });

  it.each([
    ['node:24', 'docker.io'], ['acme/shop:1', 'docker.io'], ['docker.io/acme/shop', 'docker.io'],
    ['registry.example.com/acme/shop:1', 'registry.example.com'], ['localhost/shop', 'localhost'], ['localhost:5000/shop@sha256:0', 'localhost:5000'], ['Registry:5000/shop', 'registry:5000'],
  ])('%s is of %s', (image, registry) => { expect(registryOf(image)).toBe(registry); });
});

describe('D17: an engine’s words', () => {
  it.each([
    ['Head "http://127.0.0.1:5000/v2/base/manifests/1": no basic auth credentials', true],
    ['unauthorized: authentication required', true],
    ['unauthorized: incorrect username or password', true],
    ['pulling from host registry-1.docker.io failed with status code [manifests 1]: 401 Unauthorized', true],
    ['failed to authorize: failed to fetch oauth token: unexpected status: 401 Unauthorized', true],
    ['unexpected status from HEAD request to https://ghcr.io/v2/acme/shop/manifests/1: 403 Forbidden', true],
    ['Head "https://ghcr.io/v2/acme/shop/manifests/1": denied', true],
    ['denied: Your authorization token has expired. Reauthenticate and try again.', true],
    ['pull access denied for acme/shop, repository does not exist or may require \'docker login\': denied: requested access to the resource is denied', false],
    ['pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed', false],
    ['manifest for 127.0.0.1:5000/nope:1 not found: manifest unknown: manifest unknown', false],
    ['dial tcp: lookup registry.example.com: no such host', false],
  ])('“%s” are a registry’s refusal: %s', (words, refused) => { expect(isRefusal(words)).toBe(refused); });

  it('say which registry was asked, which may be a mirror; else the image does', () => {
    expect(refusingRegistry('pulling from host 127.0.0.1:5000 failed with status code [manifests 1]: 401 Unauthorized', 'node')).toBe('127.0.0.1:5000');
    expect(refusingRegistry('Head "https://registry-1.docker.io/v2/acme/shop/manifests/1": denied', 'acme/shop')).toBe('docker.io');
    expect(refusingRegistry('failed to authorize: GET https://auth.docker.io/token?scope=x: 401 Unauthorized', 'registry.example.com/base')).toBe('registry.example.com');
    expect(refusingRegistry('unauthorized: authentication required', '${BASE}')).toBeUndefined();
  });

  it('that leave open whether the image is there name the key of a private one', () => {
    expect(ifPrivate('repository does not exist or may require authorization', 'docker.io')).toBe(' If it is private, look at registries.docker.io in the configuration.');
    expect(ifPrivate('manifest unknown', 'docker.io')).toBe('');
  });
});

describe('D17: a build whose image a registry refuses', () => {
  const words = expect.stringContaining('401 Unauthorized') as string;
  const image = expect.stringMatching(/^127\.0\.0\.1:\d+\/base:1$/) as string;
  const registry = expect.stringMatching(/^127\.0\.0\.1:\d+$/) as string;

  it.each(['buildkit-refused', 'buildkit-refused-copy', 'buildkit-refused-syntax'])('%s', (name) => {
    const { outcome, lines } = read(recorded(name));
    expect(outcome).toEqual({ kind: 'refused', image, registry, words });
    expect(lines.at(-1)).toMatch(/^#\d+ ERROR pulling from host 127\.0\.0\.1:\d+ failed with status code \[manifests 1\]: 401 Unauthorized$/);
  });

  it.each(['classic-refused', 'classic-refused-copy'])('%s', (name) => {
    expect(read(recorded(name)).outcome).toEqual({ kind: 'refused', image, registry, words: expect.stringContaining('unauthorized: authentication required') as string });
  });

  it('classic-refused-argument, of which nobody knows the registry', async () => {
    expect(read(recorded('classic-refused-argument')).outcome).toEqual({ kind: 'refused', image: '$BASE', registry: undefined, words: 'unauthorized: authentication required' });
    expect(await createRegistryAuth(new Map()).refusal(undefined, 'words')).toBe('its registry does not let us in; look at its key under registries in the configuration (words).');
  });

  it('is none whose own command was refused somewhere', () => {
    expect(read(line({ errorDetail: { message: 'The command \'/bin/sh -c curl x\' returned a non-zero code: 401 Unauthorized' } })).outcome.kind).toBe('failed');
  });
});

describe('D17: a password', () => {
  const enter = (password: string) => {
    const folder = createTestFolder();
    const file = join(folder.path, 'password');
    writeFileSync(file, password);
    const auth = createRegistryAuth(new Map([['registry.example.com', { username: 'ci', passwordFile: file }]]));
    return { auth, change: (next: string) => { writeFileSync(file, next); }, [Symbol.dispose]: () => { folder[Symbol.dispose](); } };
  };
  const base64 = (text: string) => Buffer.from(text).toString('base64');

  it('loses the end of its last line, and nothing else', async () => {
    using world = enter(' two\nlines \n\n');
    expect(await world.auth.credentials('Registry.example.com')).toEqual({ username: 'ci', password: ' two\nlines \n' });
  });

  it.each([['as it is', 'p?ss wörd>"'], ['in base64', base64('p?ss wörd>"')], ['behind the username', base64('ci:p?ss wörd>"')], ['without padding', base64('ci:p?ss wörd>"').replace(/=+$/, '')], ['for a URL', encodeURIComponent('p?ss wörd>"')], ['in JSON', JSON.stringify('p?ss wörd>"').slice(1, -1)]])('is masked %s', async (_how, form) => {
    using world = enter('p?ss wörd>"\n');
    expect(world.auth.mask(`a ${form} b`)).toBe(`a ${form} b`);
    await world.auth.credentials('registry.example.com');
    expect(world.auth.mask(`a ${form} b ${form}`)).toBe('a *** b ***');
  });

  it('that was changed is masked still', async () => {
    using world = enter('first-one');
    for (const next of ['second-one', 'third-one']) {
      await world.auth.credentials('registry.example.com');
      world.change(next);
    }
    expect(world.auth.mask('first-one second-one third-one')).toBe('*** *** third-one');
  });

  it('is masked in what the engine says, and not in what a build’s own commands do: the mask would tell who guessed it', () => {
    const mask = (words: string) => words.replaceAll('secret', '***');
    const failed = 'executor failed running [/bin/sh -c echo secret; exit 1]: exit code: 1';
    expect(read(Buffer.concat([line({ stream: 'Step 2/2 : RUN echo secret\nsecret\n' }), line({ status: 'secret' }), line({ error: failed })]), mask)).toEqual({
      lines: ['Step 2/2 : RUN echo secret', 'secret', '***'], outcome: { kind: 'failed', message: failed },
    });
    expect(read(line({ error: 'a registry said secret' }), mask).outcome).toEqual({ kind: 'failed', message: 'a registry said ***' });
  });
});

describe('texts in protobuf', () => {
  it.each([[['a', '']], [['', 'é'.repeat(100)]], [['x'.repeat(20_000), 'b']]])('are read as they were written', (texts) => {
    const message = readMessage(writeTexts(...texts));
    expect(texts.map((_text, index) => textOf(message, index + 1))).toEqual(texts);
  });
});

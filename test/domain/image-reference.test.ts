import fc from 'fast-check';
import { AppError } from '../../src/domain/errors.js';
import type { EnvironmentName } from '../../src/domain/ids.js';
import { keyOfReference, nameOfReference, parseImageReference } from '../../src/domain/image-reference.js';
import { formatLabel, parseLabel } from '../../src/domain/preview-name.js';
import { processorMs } from '../support/processor-time.js';

const DIGEST = `sha256:${'0123456789abcdef'.repeat(4)}`;
const refusal = (text: string): AppError => {
  try {
    parseImageReference(text);
  } catch (error) {
    if (error instanceof AppError) return error;
  }
  throw new Error(`${text} was taken for an image`);
};

describe('an image reference', () => {
  it.each([
    ['registry.example.com/app:tag', 'registry.example.com', 'app', 'tag'],
    ['registry.example.com:5000/team/app:v1.2_x-Y', 'registry.example.com:5000', 'team/app', 'v1.2_x-Y'],
    ['localhost/app:1', 'localhost', 'app', '1'],
    ['localhost:5000/a/b/c:_1', 'localhost:5000', 'a/b/c', '_1'],
    ['127.0.0.1:5000/a--b.c__d:latest', '127.0.0.1:5000', 'a--b.c__d', 'latest'],
    [`registry.example.com/app@${DIGEST}`, 'registry.example.com', 'app', DIGEST],
    ['docker.io/library/node:20', 'docker.io', 'library/node', '20'],
  ])('D13: reads %s', (text, ...parts) => {
    const [registry, repository, version] = parts;
    expect(parseImageReference(text)).toEqual({ registry, repository, version, text });
  });

  it('D13: has its registry in lower case, however it was typed', () => {
    expect(parseImageReference('Registry.EXAMPLE.com:443/app:Tag')).toMatchObject({ registry: 'registry.example.com:443', version: 'Tag', text: 'registry.example.com:443/app:Tag' });
  });

  it.each([
    ['', 'host of its registry'], ['app', 'host of its registry'], ['app:tag', 'host of its registry'], ['team/app:tag', 'host of its registry'],
    ['/app:tag', 'host of its registry'], ['https://registry.example.com/app:tag', 'host of its registry'], ['registry.example.com', 'host of its registry'],
    ['user@registry.example.com/app:tag', 'host of its registry'], ['registry..com/app:tag', 'host of its registry'], ['-r.com/app:tag', 'host of its registry'],
    ['registry.example.com:/app:tag', 'host of its registry'], ['registry.example.com:0/app:tag', 'host of its registry'], ['registry.example.com:65536/app:tag', 'host of its registry'],
    ['[::1]:5000/app:tag', 'host of its registry'], ['r.com\n/app:tag', 'host of its registry'],
    ['registry.example.com/app', 'a tag'], ['registry.example.com/', 'a tag'],
    ['registry.example.com/App:tag', 'lower-case'], ['registry.example.com//app:tag', 'lower-case'], ['registry.example.com/app/:tag', 'lower-case'], ['registry.example.com/a___b:tag', 'lower-case'],
    ['registry.example.com/../app:tag', 'lower-case'], ['registry.example.com/a b:tag', 'lower-case'], ['registry.example.com/:tag', 'lower-case'], ['registry.example.com/app?x:tag', 'lower-case'],
    ['registry.example.com/app:', 'a tag has'], ['registry.example.com/app:-x', 'a tag has'], ['registry.example.com/app:a/b', 'a tag has'], [`registry.example.com/app:${'x'.repeat(129)}`, 'a tag has'],
    ['registry.example.com/app:a b', 'a tag has'], ['registry.example.com/app:tag\n', 'a tag has'],
    ['registry.example.com/app@sha256:abc', 'a digest is'], [`registry.example.com/app@${DIGEST.toUpperCase()}`, 'a digest is'], ['registry.example.com/app@md5:abc', 'a digest is'],
    [`registry.example.com/app:tag@${DIGEST}`, 'either'], ['registry.example.com/app:a:b', 'either'],
    [`registry.example.com/${'a'.repeat(240)}:tag`, '255'], ['x'.repeat(600), '512'],
  ])('D13: refuses %j and says why', (text, why) => {
    expect(refusal(text)).toMatchObject({ code: 'invalid_image', status: 400, message: expect.stringContaining(why) as string });
  });

  it('D13: is the same again when its text is read', () => {
    fc.assert(fc.property(REFERENCES, (text) => {
      const reference = parseImageReference(text);
      expect(parseImageReference(reference.text)).toEqual(reference);
    }));
  });

  it('A16: costs little, however it is malformed', async () => {
    for (const text of [`r.com/${'a'.repeat(400)}!:t`, `r.com/${'a-'.repeat(200)}:t`, `${'a.'.repeat(250)}/x:t`, `r.com/${'/'.repeat(400)}:t`, `r.com/a:${':'.repeat(400)}`, 'x'.repeat(1e6)]) {
      expect(await processorMs(() => refusal(text))).toBeLessThan(50);
    }
  });
});

const REFERENCES = fc.tuple(
  fc.stringMatching(/^(?:[a-zA-Z0-9]{1,8}\.){1,3}[a-z]{2,5}(?::[1-9]\d{0,3})?$/), fc.stringMatching(/^[a-z0-9]{1,9}(?:[._-][a-z0-9]{1,9}){0,2}(?:\/[a-z0-9]{1,60}){0,3}$/),
  fc.oneof(fc.stringMatching(/^:[A-Za-z0-9_][\w.-]{0,127}$/), fc.constant(`@${DIGEST}`)),
).map(([registry, repository, version]) => `${registry}/${repository}${version}`);

describe('the name of an image', () => {
  const nameOf = (text: string, environment: string | null = null) => nameOfReference(parseImageReference(text), environment as EnvironmentName | null);

  it('D13: has words for people and digits of the whole reference', () => {
    expect(nameOf('registry.example.com/team/app:v1.2')).toMatch(/^team-app-v1-2-[0-9a-f]{12}$/);
    expect(nameOf(`registry.example.com/app@${DIGEST}`)).toMatch(/^app-0123456789ab-[0-9a-f]{12}$/);
    expect(nameOf('registry.example.com/app:__')).toMatch(/^app-[0-9a-f]{12}$/);
  });

  it('D13: differs with the registry, the repository, the tag and the environment', () => {
    const names = [
      nameOf('a.example.com/app:v1'), nameOf('b.example.com/app:v1'), nameOf('a.example.com/app.v1:1'), nameOf('a.example.com/app-v1:1'),
      nameOf('a.example.com/app:V1'), nameOf('a.example.com/app:v1', 'jetpack'), nameOf('a.example.com/app:v1', 'live'),
    ];
    expect(new Set(names).size).toBe(names.length);
  });

  it('D13: makes a label that a host can have and that is read as an image', () => {
    fc.assert(fc.property(REFERENCES, fc.constantFrom(null, 'jetpack'), (text, environment) => {
      const name = nameOf(text, environment);
      const label = formatLabel({ kind: 'image', name });
      expect(label).toMatch(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])$/);
      expect(parseLabel(label, { environments: ['jetpack' as EnvironmentName], stages: ['prod'] })).toEqual({ kind: 'image', name });
    }));
  });

  it('has a key of its own, in the form of a build key', () => {
    const keys = ['a.example.com/app:v1', 'a.example.com/app:v2', 'b.example.com/app:v1'].map((text) => keyOfReference(parseImageReference(text)));
    expect(keys.every((key) => /^[0-9a-f]{64}$/.test(key))).toBe(true);
    expect(new Set(keys).size).toBe(3);
  });
});

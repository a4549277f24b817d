import fc from 'fast-check';
import { createHostReader } from '../../src/domain/hosts.js';
import { parseEnvironmentName, type RefName } from '../../src/domain/ids.js';
import { formatLabel, type PreviewName } from '../../src/domain/preview-name.js';
import type { Project } from '../../src/domain/project.js';
import { slugOf } from '../../src/domain/slug.js';
import { sampleProject } from '../support/sample-project.js';

const ENVIRONMENTS = ['a', 'jet', 'jet-pack', 'jet-pack-2', 'jet-run', 'hashes', 'e'.repeat(17)].map(parseEnvironmentName);
const STAGES = ['dev', 'prod-eu', 'jet-pack-3'];
const project = (name: string): Project => sampleProject(name, { environments: new Map(ENVIRONMENTS.map((environment) => [environment, { env: {} }])), stages: new Map(STAGES.map((stage) => [stage, { env: {} }])) });

const PROJECTS = ['shop', 'a', 'jet-pack'].map(project);
const WORLDS = [PROJECTS.slice(0, 1), PROJECTS].map((projects) => ({ projects, reader: createHostReader({ serverHost: 'pv.example.com', projects }) }));

const environment = fc.constantFrom(null, ...ENVIRONMENTS);
const branch = fc.oneof(fc.constantFrom('main', 'Fix/Cart', 'jet-hash-abcd', '--x', 'é', 'x'.repeat(250)), fc.string({ unit: fc.constantFrom('a', 'b', '-', '/', '.', 'É', '7'), minLength: 1, maxLength: 45 }));
const name: fc.Arbitrary<PreviewName> = fc.oneof(
  fc.record({ kind: fc.constant('commit' as const), hash: fc.stringMatching(/^[0-9a-f]{4,40}$/), environment }),
  fc.record({ kind: fc.constant('branch' as const), slug: branch.map((text) => slugOf(text as RefName)), environment }),
  fc.record({ kind: fc.constantFrom('run' as const, 'image' as const), name: fc.stringMatching(/^[a-z0-9-]{0,40}[a-z0-9]$/) }),
  fc.record({ kind: fc.constant('stage' as const), name: fc.constantFrom(...STAGES) }),
);

/** The same host as clients may write it. */
const spelling = fc.record({ upper: fc.boolean(), dot: fc.boolean(), port: fc.option(fc.nat(65_535)) });
const spell = (host: string, { upper, dot, port }: { upper: boolean; dot: boolean; port: number | null }): string =>
  `${upper ? host.toUpperCase() : host}${dot ? '.' : ''}${port === null ? '' : `:${port}`}`;

describe('A15: a preview’s host and what it stands for', () => {
  it.each(WORLDS)('are two ways to say one thing: every kind, environment and label, however it is spelled', ({ projects, reader }) => {
    fc.assert(fc.property(fc.constantFrom(...projects), name, spelling, (owner, wanted, how) => {
      for (const projectHost of reader.hostsOf(owner)) {
        const host = `${formatLabel(wanted)}.${projectHost}`;
        expect(reader.read(spell(host, how))).toEqual({ kind: 'preview', host, projectHost, project: owner, name: wanted });
      }
    }), { numRuns: 1_500 });
  });

  it.each(WORLDS)('is nobody’s with a single character in front of or behind it that makes it another', ({ projects, reader }) => {
    fc.assert(fc.property(fc.constantFrom(...projects), name, (owner, wanted) => {
      const host = `${formatLabel(wanted)}.${reader.hostsOf(owner)[0] ?? ''}`;
      for (const other of [`${host}.evil.com`, `${host}x`, host.replace('.pv.example', '.evilpv.example'), `user@${host}`, `${host}/`, `${host}\\`, ` ${host}`]) {
        expect(reader.read(other)).toEqual({ kind: 'unknown' });
      }
      expect(reader.read(`x.${host}`).kind).toBe('nothing');
    }), { numRuns: 500 });
  });
});

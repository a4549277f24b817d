import { availableParallelism } from 'node:os';

const base = {
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '^.+\\.ts$': ['@swc/jest', {
      jsc: { target: 'es2022', parser: { syntax: 'typescript', explicitResourceManagement: true } },
      module: { type: 'es6' },
    }],
  },
  testEnvironment: 'node',
  modulePathIgnorePatterns: ['<rootDir>/\\.demo/', '<rootDir>/dist/'],
};
const project = (displayName, folders, extra = {}) =>
  ({ ...base, ...extra, displayName, testMatch: folders.map((folder) => `<rootDir>/test/${folder}/**/*.test.ts`) });

/** Fast ones first: `unit` touches neither Docker nor the network; `contract` runs one suite on the fake and the real engine. */
export default {
  projects: [
    project('unit', ['domain', 'kernel', 'state', 'engine-unit', 'source', 'build', 'release', 'run', 'serve', 'flow', 'web', 'cli', 'house']),
    project('contract', ['contract']),
    project('engine', ['engine']),
    project('browser', ['browser']),
    project('fuzz', ['fuzz']),
  ],
  testTimeout: 30_000,
  // With one core left to others, as is usual, two cores would mean a single one.
  maxWorkers: Math.max(2, availableParallelism() - 1),
  // What a failed test leaves open keeps nobody waiting.
  forceExit: true,
};

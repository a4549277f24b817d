import { parseHealthTest, type HealthCheck, type HealthTest } from '../domain/health.js';
import { kind, readDuration, shown } from './kinds.js';

const LINE = 'GET /healthz 200';
const TIMES = { every: '10s', timeout: '5s', unhealthy: '30s' } as const;
const KEYS = ['test', ...Object.keys(TIMES)];

const isTree = (given: unknown): given is Readonly<Record<string, unknown>> => given !== null && typeof given === 'object' && !Array.isArray(given);

/** What must answer: a line, or keys with the times beside it. */
export const healthCheck = () => kind<HealthCheck>((given) => {
  if (!isTree(given)) return readCheck({ test: given });
  const unknown = Object.keys(given).find((key) => !KEYS.includes(key));
  if (unknown !== undefined) return `has no key “${unknown}”; write { test: ${LINE}, every: 10s, timeout: 5s, unhealthy: 30s }`;
  if (given.test === undefined) return `must have a test; write { test: ${LINE} }`;
  return readCheck(given);
});

function readCheck(given: Readonly<Record<string, unknown>>): { readonly value: HealthCheck } | string {
  const test = readTest(given.test);
  if (typeof test === 'string') return test;
  const times = { everyMs: 0, timeoutMs: 0, unhealthyMs: 0 };
  for (const [key, initial] of Object.entries(TIMES)) {
    const read = readDuration(given[key] ?? initial);
    if (typeof read === 'string') return `${key} ${read}`;
    times[`${key as keyof typeof TIMES}Ms`] = read.value;
  }
  return { value: { test: test.value, ...times } };
}

/** A line of its own, or the only one of a named list, which is how others write it. */
function readTest(given: unknown): { readonly value: HealthTest } | string {
  const [only, ...more] = isTree(given) ? Object.values(given) : [given];
  if (more.length > 0) return `has ${more.length + 1} tests, and can have one; write { front: ${LINE} }`;
  const value = typeof only === 'string' ? parseHealthTest(only) : undefined;
  return value ? { value } : `${shown(only ?? given)} is not a health line; write ${LINE}, HEAD / 204 or tcp`;
}

const PROCESS = /^[a-z0-9](?:[a-z0-9-]{0,18}[a-z0-9])?$/;
/** The image's own command, which always runs. */
const OWN = 'web';

/** What runs beside the image's own command, by name. */
export const processes = () => kind<Readonly<Record<string, readonly string[]>>>((given) => {
  if (!isTree(given)) return 'must be names with commands, such as { web: null, worker: [npm, run, worker] }';
  for (const [name, command] of Object.entries(given)) {
    const fault = faultOfProcess(name, command);
    if (fault !== undefined) return fault;
  }
  const beside = Object.entries(given).filter(([name]) => name !== OWN);
  return { value: Object.fromEntries(beside.map(([name, command]) => [name, (command as unknown[]).map(String)])) };
});

function faultOfProcess(name: string, command: unknown): string | undefined {
  if (name === OWN) return command === null ? undefined : 'web is the image’s own command: write web: null, and change the command in the Dockerfile';
  if (!PROCESS.test(name)) return `“${name}” is not the name of a process; use a-z, 0-9 and inner hyphens, 20 at most`;
  const isCommand = Array.isArray(command) && command.length > 0 && command[0] !== '' && command.every(isWord);
  // Where a text would be parted at its spaces is anybody's guess.
  return isCommand ? undefined : `${name} must be a list of words; write ${name}: [npm, run, ${name}]`;
}

const isWord = (word: unknown): boolean => typeof word === 'number' || (typeof word === 'string' && !word.includes('\0'));

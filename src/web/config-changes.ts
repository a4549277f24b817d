import type { RunConfig } from '../domain/release.js';

/** Which settings differ between two configurations, by name: never a value. */
export interface ConfigChanges {
  /** Only in the new one. */
  readonly added: readonly string[];
  readonly changed: readonly string[];
  /** Only in the old one. */
  readonly removed: readonly string[];
}

/** What people call the settings that are no variables. */
const SETTINGS = {
  port: 'the port', readyTimeoutMs: 'the time to get ready', stopTimeoutMs: 'the time to stop', memoryBytes: 'the memory limit', cpus: 'the processor limit', pids: 'the process limit',
  profile: 'the profile', health: 'the health line', processes: 'the set of processes',
} as const satisfies Partial<Record<keyof RunConfig, string>>;

/** Compares variables and secrets by name, and the other settings; names are in order. */
export function configChanges(from: RunConfig, to: RunConfig): ConfigChanges {
  const [before, after] = [entriesOf(from), entriesOf(to)];
  const names = [...new Set([...before.keys(), ...after.keys()])].sort();
  const others = Object.entries(SETTINGS).filter(([key]) => JSON.stringify(from[key as keyof typeof SETTINGS]) !== JSON.stringify(to[key as keyof typeof SETTINGS]));
  return {
    added: names.filter((name) => !before.has(name)),
    changed: [...names.filter((name) => before.has(name) && after.has(name) && before.get(name) !== after.get(name)), ...others.map(([, words]) => words)],
    removed: names.filter((name) => !after.has(name)),
  };
}

/** Variables with their values and secrets with their digests; one that became the other has changed. */
const entriesOf = ({ env, secrets = {} }: RunConfig): Map<string, string> =>
  new Map([...Object.entries(env).map(([name, value]): [string, string] => [name, `=${value}`]), ...Object.entries(secrets).map(([name, digest]): [string, string] => [name, `#${digest}`])]);

/** The same as a sentence about what comes back. */
export function describeChanges({ added, changed, removed }: ConfigChanges): string {
  const parts = [['changes', changed], ['comes back', added], ['goes', removed]] as const;
  const said = parts.filter(([, names]) => names.length > 0).map(([verb, names]) => `${names.join(', ')} ${names.length === 1 ? verb : PLURAL[verb]}`);
  return said.length === 0 ? 'The configuration stays as it is.' : `Its own configuration comes back with it: ${said.join('; ')}.`;
}

const PLURAL = { 'changes': 'change', 'comes back': 'come back', 'goes': 'go' } as const;

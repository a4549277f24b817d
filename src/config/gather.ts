import { nearestNames } from '../domain/nearest.js';
import { flagOf, listSettings } from './entries.js';
import type { OriginOf } from './faults.js';
import type { ConfigFile } from './file.js';

/** Values from the command line, by setting name such as `port` or `builds.concurrency`. */
export type Flags = Readonly<Record<string, string | undefined>>;
export type Environment = Readonly<Record<string, string | undefined>>;

export interface Given {
  /** All settings of the server that were given, as nested keys. */
  readonly tree: Record<string, unknown>;
  readonly originOf: OriginOf;
}

const PREFIX = 'SLIPWAY_';
/** Slipway gives these to previews; it never reads them, so that it can preview itself. */
const INJECTED = new Set(['BUILD', 'COMMIT', 'BRANCH', 'RELEASE', 'ENV', 'URL'].map((name) => `SLIPWAY_${name}`));
/** Which file to read, which no file can say. */
export const CONFIG_VARIABLE = 'SLIPWAY_CONFIG';
/** Which server the command line is for; whoever sets it may start one as well. */
export const CLIENT_VARIABLE = 'SLIPWAY_SERVER';

/** Lays flags over variables over the file; what is empty or unknown is a fault. */
export function gather({ flags, env, file }: { flags: Flags; env: Environment; file: ConfigFile | undefined }, faults: string[]): Given {
  const tree = copyTree(file?.tree ?? {});
  delete tree.projects;
  const origin = new Map<string, string>();
  const entries = listSettings();
  refuseUnknown(env, entries.flatMap(({ variable }) => variable ?? []), faults);
  if (file && 'token' in tree) faults.push(`${file.placeOf(['token'])} token does not belong into a file: set SLIPWAY_TOKEN, or leave it to the first start`);
  delete tree.token;
  for (const { name, variable } of entries) {
    const fromFlag = flags[name];
    const value = fromFlag ?? (variable === null ? undefined : env[variable]);
    if (value === undefined) continue;
    const called = fromFlag === undefined ? variable ?? name : flagOf(name);
    origin.set(name, called);
    if (value.trim() === '') faults.push(`${called} is empty; leave it away for the default`);
    else put(tree, name.split('.'), value);
  }
  return { tree, originOf: (keys) => origin.get(keys.join('.')) ?? (file ? `${file.placeOf(keys)} ${keys.join('.')}` : keys.join('.')) };
}

function refuseUnknown(env: Environment, known: readonly string[], faults: string[]): void {
  for (const name of Object.keys(env)) {
    if (!name.startsWith(PREFIX) || INJECTED.has(name) || name === CONFIG_VARIABLE || name === CLIENT_VARIABLE || known.includes(name)) continue;
    const [near] = nearestNames(name.slice(PREFIX.length), known.map((each) => each.slice(PREFIX.length)), 1);
    faults.push(`${name} is not a setting; ${near === undefined ? 'the README lists all there are' : `did you mean ${PREFIX}${near}?`}`);
  }
}

/** A group without anything in it, as in `builds:`, is a group that was left away. */
export function copyTree(tree: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(tree).filter(([, value]) => value !== null).map(([name, value]) => [name, isTree(value) ? { ...value } : value]));
}

const isTree = (value: unknown): value is Record<string, unknown> => value !== null && typeof value === 'object' && !Array.isArray(value);

function put(tree: Record<string, unknown>, [first = '', ...rest]: readonly string[], value: string): void {
  if (rest.length === 0) { tree[first] = value; return; }
  const inner = isTree(tree[first]) ? tree[first] : {};
  tree[first] = inner;
  put(inner, rest, value);
}

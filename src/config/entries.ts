import { z } from 'zod';
import { FILE_ONLY, PROJECT, SETTINGS } from './schema.js';

/** A setting as the README lists it. */
export interface SettingEntry {
  /** As in the file: `builds.perMinute`. */
  readonly name: string;
  readonly flag: string | null;
  readonly variable: string | null;
  /** The default as the file would have it; empty when there is none. */
  readonly initial: string;
  readonly description: string;
  /** Read and checked, though nothing acts on it in this version. */
  readonly later: boolean;
}

/** `SLIPWAY_URL` belongs to previews, so the server's own URL has another name. */
const RENAMED: Readonly<Record<string, string>> = { url: 'SLIPWAY_SERVER_URL' };
/** Arguments can be seen by every user of the machine, so that a secret has no flag. */
const WITHOUT_FLAG: ReadonlySet<string> = new Set(['token']);

type Leaf = Pick<SettingEntry, 'name' | 'initial' | 'description' | 'later'>;

/** All settings of the server in order, `builds.perMinute` style. */
export function listSettings(): readonly SettingEntry[] {
  return leavesOf(SETTINGS.shape, '').map((leaf) => ({ ...leaf, flag: WITHOUT_FLAG.has(leaf.name) ? null : flagOf(leaf.name), variable: variableOf(leaf.name) }));
}

/** What only the file can say: of the server, then of each project. */
export function listFileSettings(): readonly SettingEntry[] {
  return [...leavesOf(FILE_ONLY, ''), ...leavesOf(PROJECT.shape, 'projects.NAME.')].map((leaf) => ({ ...leaf, flag: null, variable: null }));
}

function leavesOf(shape: Readonly<Record<string, z.ZodType>>, prefix: string): Leaf[] {
  return Object.entries(shape).flatMap(([name, schema]) => {
    const group = groupOf(schema);
    if (group) return leavesOf(group, `${prefix}${name}.`);
    const { description = '', later } = (schema.meta() ?? {}) as { description?: string; later?: boolean };
    return [{ name: `${prefix}${name}`, initial: initialOf(schema), description, later: later === true }];
  });
}

function groupOf(schema: z.ZodType): Readonly<Record<string, z.ZodType>> | undefined {
  const inner = schema instanceof z.ZodPrefault ? schema.def.innerType : undefined;
  return inner instanceof z.ZodObject ? inner.shape : undefined;
}

function initialOf(schema: z.ZodType): string {
  if (!(schema instanceof z.ZodPrefault)) return '';
  const value: unknown = schema.def.defaultValue;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** How the command line calls a setting: `builds.perMinute` → `--builds-per-minute`. */
export function flagOf(name: string): string {
  return `--${name.replaceAll('.', '-').replace(/[A-Z]/g, '-$&').toLowerCase()}`;
}

function variableOf(name: string): string {
  return RENAMED[name] ?? `SLIPWAY_${name.replace(/[A-Z]/g, '_$&').replaceAll('.', '_').toUpperCase()}`;
}

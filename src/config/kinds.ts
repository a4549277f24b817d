import { BlockList, isIP } from 'node:net';
import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { parseDuration, parseSize } from '../domain/units.js';

/** Timers hold no more than 31 bits of milliseconds; a longer one would fire at once. */
const LONGEST_DURATION_MS = 24 * 86_400_000;

/** What a setting may be: `read` returns its exact value, or the sentence why it is none. */
type Read<T> = (given: unknown) => { readonly value: T } | string;

/** A value from a file, a variable or a flag; the same rules hold for all three. */
export const kind = <T>(read: Read<T>) => z.unknown().transform((given, context): T => {
  const result = given === undefined ? 'must be given' : read(given);
  if (typeof result !== 'string') return result.value;
  context.addIssue({ code: 'custom', message: result });
  return z.NEVER;
});

/** A value as its author wrote it. */
export const shown = (given: unknown): string => `“${typeof given === 'string' ? given : JSON.stringify(given)}”`;
const toNumber = (given: unknown): number => {
  if (typeof given === 'number') return given;
  return typeof given === 'string' && /^\s*-?\d+(?:\.\d+)?\s*$/.test(given) ? Number(given) : Number.NaN;
};
const textOf = (given: unknown): string | undefined => (typeof given === 'string' && given.trim() !== '' ? given : undefined);

/** Milliseconds of a duration that a timer can hold. */
export const readDuration: Read<number> = (given) => {
  const ms = typeof given === 'string' ? parseDuration(given) : undefined;
  if (ms !== undefined && ms > 0 && ms <= LONGEST_DURATION_MS) return { value: ms };
  return `${shown(given)} is not a duration; write 500ms, 30s, 5m or 1h, 24d at most`;
};

/** Milliseconds. */
export const duration = () => kind(readDuration);

/** Milliseconds; null for `never`. */
export const durationOrNever = () => kind<number | null>((given) => (given === 'never' ? { value: null } : readDuration(given)));

/** Bytes. */
export const size = () => kind((given) => {
  const bytes = typeof given === 'string' ? parseSize(given) : undefined;
  return bytes !== undefined && bytes > 0 ? { value: bytes } : `${shown(given)} is not a size; write 512MiB or 1GiB`;
});

export const count = () => kind((given) => {
  const value = toNumber(given);
  if (!Number.isFinite(value)) return 'is not a number';
  if (!Number.isSafeInteger(value)) return 'is not a whole number';
  return value >= 1 ? { value } : 'must be 1 or more';
});

export const amount = () => kind((given) => {
  const value = toNumber(given);
  if (!Number.isFinite(value)) return 'is not a number';
  return value > 0 ? { value } : 'must be more than 0';
});

export const port = ({ least }: { least: 0 | 1 }) => kind((given) => {
  const value = toNumber(given);
  return Number.isInteger(value) && value >= least && value <= 65_535 ? { value } : 'is not a port';
});

/** A share of a whole such as `85%`: 0.85. */
export const share = () => kind((given) => {
  const percent = typeof given === 'string' ? Number(/^(\d{1,3})%$/.exec(given)?.[1] ?? Number.NaN) : Number.NaN;
  return percent >= 1 && percent <= 100 ? { value: percent / 100 } : `${shown(given)} is not a share; write 85%`;
});

export const switchOf = () => kind((given) => {
  if (given === true || given === 'true') return { value: true };
  return given === false || given === 'false' ? { value: false } : `${shown(given)} is neither true nor false`;
});

export const text = () => kind((given) => {
  const value = textOf(given);
  return value === undefined ? `${shown(given)} is not a text` : { value };
});

export const oneOf = <const Word extends string>(...words: readonly Word[]) => kind<Word>((given) => {
  const value = words.find((word) => word === given);
  return value === undefined ? `must be ${words.length === 1 ? '' : `${words.slice(0, -1).join(', ')} or `}${words.at(-1) ?? ''}` : { value };
});

export const insidePath = () => kind((given) => {
  const value = textOf(given);
  return value !== undefined && !isAbsolute(value) && !value.split('/').includes('..') ? { value } : 'must be a path inside the repository';
});

/** An http or https URL of scheme, host and port, without anything else. */
export const serverUrl = () => kind((given) => {
  const value = textOf(given);
  if (value === undefined || !/^https?:\/\//.test(value) || !URL.canParse(value)) return 'is not an http or https URL';
  const { pathname, search, username, hash } = new URL(value);
  return pathname === '/' && search === '' && username === '' && hash === '' ? { value } : 'must be scheme, host and port only';
});

/** A host name in lower case, without port. */
export const hostName = () => kind((given) => {
  const value = textOf(given)?.toLowerCase();
  const good = value !== undefined && value.length <= 180 && /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/.test(value) && isIP(value) === 0;
  return good ? { value } : `${shown(given)} is not a host name; write shop.example.com, without scheme and port`;
});

/** Several values: a list in the file, commas in a variable or flag. */
export const listOf = (what: string, isGood: (entry: string) => boolean) => kind<readonly string[]>((given) => {
  const entries: readonly unknown[] = typeof given === 'string' ? given.split(',').map((entry) => entry.trim()) : Array.isArray(given) ? given : [given];
  const bad = entries.find((entry) => typeof entry !== 'string' || !isGood(entry));
  return bad === undefined ? { value: entries.filter((entry) => typeof entry === 'string') } : `${shown(bad)} is not ${what}`;
});

/** An address, or a range such as `10.0.0.0/8`. */
export function isAddressRange(entry: string): boolean {
  const [address = '', bits] = entry.split('/');
  const family = isIP(address);
  if (family === 0 || entry.split('/').length > 2) return false;
  if (bits !== undefined && !/^\d{1,3}$/.test(bits)) return false;
  try {
    new BlockList().addSubnet(address, Number(bits ?? 32), family === 4 ? 'ipv4' : 'ipv6');
    return true;
  } catch {
    return false;
  }
}

/** Names with texts; numbers and truth values of the file become texts. */
export const textsByName = (faultOfName: (name: string) => string | undefined) => kind<Readonly<Record<string, string>>>((given) => {
  if (given === null || typeof given !== 'object' || Array.isArray(given)) return 'must be names with values, such as { NAME: value }';
  const entries = Object.entries(given as Record<string, unknown>);
  for (const [name, value] of entries) {
    const fault = faultOfName(name) ?? (['string', 'number', 'boolean'].includes(typeof value) ? undefined : `${name} has no value; write "" for an empty one`);
    if (fault !== undefined) return fault;
  }
  return { value: Object.fromEntries(entries.map(([name, value]) => [name, String(value)])) };
});

import type { Request } from 'express';
import { AppError } from '../domain/errors.js';
import type { PreviewQuery } from '../flow/find-preview.js';

/** The parameters of a URL as they stand in it, so that what is not ours goes on byte by byte. */
export interface RawQuery {
  /** The decoded value. @throws AppError `invalid_request` when it is given twice or cannot be decoded */
  get(name: string): string | undefined;
  /** Whether a switch is on: `name`, `name=` or `name=1`. @throws AppError `invalid_request` when it is given twice */
  isSet(name: string): boolean;
  /** The path and the parameters without the named ones. */
  without(names: readonly string[]): string;
}

const readOnce = new WeakMap<object, { readonly url: string; readonly query: RawQuery }>();

/** Every route asks again: taking thousands of parameters apart once is enough (faults A17). */
export function readQuery(req: Pick<Request, 'originalUrl'>): RawQuery {
  const known = readOnce.get(req);
  if (known?.url === req.originalUrl) return known.query;
  const query = parseQuery(req.originalUrl);
  readOnce.set(req, { url: req.originalUrl, query });
  return query;
}

function parseQuery(target: string): RawQuery {
  // A fragment stays in the browser (RFC 9112 section 3.2); the few programs that send theirs mean what is in front of it.
  const [url = ''] = target.split('#', 1);
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  const parts = mark < 0 ? [] : url.slice(mark + 1).split('&');
  const names = parts.map(nameIn);
  /** Where a name stands, or one in brackets behind it, which other programs would read as a list or an object. */
  const placesOf = (name: string): number[] => {
    const places: number[] = [];
    names.forEach((each, at) => { if (each.startsWith(name) && (each.length === name.length || each[name.length] === '[')) places.push(at); });
    return places;
  };
  return {
    get: (name) => {
      const [first, ...others] = placesOf(name);
      if (first === undefined) return undefined;
      const text = parts[first] ?? '';
      const value = others.length === 0 && names[first] === name ? decodeValue(name, text.slice(text.indexOf('=') + 1)) : undefined;
      if (value === undefined || !text.includes('=')) throw new AppError('invalid_request', `Give ${name} once, as ${name}=…, percent-encoded.`);
      return value;
    },
    isSet: (name) => {
      const [first, ...others] = placesOf(name);
      if (first === undefined) return false;
      if (others.length > 0) throw new AppError('invalid_request', `Give ${name} once.`);
      return [name, `${name}=`, `${name}=1`].includes(parts[first] ?? '');
    },
    without: (gone) => {
      const kept = parts.filter((_text, at) => !gone.includes(names[at] ?? ''));
      return kept.length === 0 ? path : `${path}?${kept.join('&')}`;
    },
  };
}

/** More than the longest name of ours, each of its letters encoded. */
const NAME_MAX = 64;

/**
 * The name of a parameter as far as it can be one of ours, which have ASCII letters only. Nothing is thrown for what
 * cannot be decoded: thousands of errors take a second (faults A17).
 */
function nameIn(part: string): string {
  const end = part.indexOf('=');
  const name = part.slice(0, end < 0 || end > NAME_MAX ? NAME_MAX : end);
  return !name.includes('%') || /%(?![0-7][0-9a-f])/i.test(name) ? name : decodeURIComponent(name);
}

/** Which preview a URL asks for; undefined when it names none. @throws AppError `invalid_request` when it names two */
export function readPreviewQuery(query: RawQuery): PreviewQuery | undefined {
  const named = { branch: query.get('branch'), hash: query.get('hash'), image: query.get('image') };
  const given = Object.values(named).filter((value) => value !== undefined).length;
  if (given > 1) throw new AppError('invalid_request', 'Give only one of branch, hash and image.');
  return given === 0 ? undefined : { ...named, env: query.get('env') };
}

/** What a form sends, in which `+` is a space; everywhere else it is the plus of `feature/c++`. */
const FROM_FORMS: ReadonlySet<string> = new Set(['q']);

const decodeValue = (name: string, text: string): string | undefined => decodeText(FROM_FORMS.has(name) ? text.replaceAll('+', ' ') : text);

function decodeText(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

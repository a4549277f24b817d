import type { Request } from 'express';
import { AppError } from '../domain/errors.js';

/** The parameters of a URL as they stand in it, so that what is not ours goes on byte by byte. */
export interface RawQuery {
  /** The decoded value. @throws AppError `invalid_request` when it is given twice or cannot be decoded */
  get(name: string): string | undefined;
  /** The path and the parameters without the named ones. */
  without(names: readonly string[]): string;
}

export function readQuery({ originalUrl }: Pick<Request, 'originalUrl'>): RawQuery {
  const mark = originalUrl.indexOf('?');
  const path = mark < 0 ? originalUrl : originalUrl.slice(0, mark);
  const parts = mark < 0 ? [] : originalUrl.slice(mark + 1).split('&');
  const nameOf = (part: string) => decodeText(part.split('=', 1)[0] ?? '');
  return {
    get: (name) => {
      const given = parts.filter((part) => nameOf(part) === name || nameOf(part)?.startsWith(`${name}[`));
      const [only] = given;
      if (only === undefined) return undefined;
      const value = given.length === 1 && nameOf(only) === name ? decodeValue(name, only.slice(only.indexOf('=') + 1)) : undefined;
      if (value === undefined || !only.includes('=')) throw new AppError('invalid_request', `Give ${name} once, as ${name}=…, percent-encoded.`);
      return value;
    },
    without: (names) => {
      const kept = parts.filter((part) => !names.includes(nameOf(part) ?? ''));
      return kept.length === 0 ? path : `${path}?${kept.join('&')}`;
    },
  };
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

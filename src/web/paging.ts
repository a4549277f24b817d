import type { Request, Response } from 'express';
import { AppError } from '../domain/errors.js';
import type { ChoiceView, Pagination } from './page-parts.js';
import { readQuery } from './query.js';

/** The page that `page=N` asks for; the first for all that is no page. */
export function askedPage(req: Request): number {
  const page = Number(readQuery(req).get('page') ?? 1);
  return Number.isSafeInteger(page) && page > 0 ? page : 1;
}

/** A page of a list with links to its neighbours, which keep all other parameters; a page behind the end is the last one. */
export function paginate(req: Request, { total, size }: { total: number; size: number }): Pagination & { readonly offset: number } {
  const pages = Math.max(1, Math.ceil(total / size));
  const page = Math.min(pages, askedPage(req));
  const rest = readQuery(req).without(['page']);
  const urlOf = (number: number) => (number < 1 || number > pages ? null : `${rest}${rest.includes('?') ? '&' : '?'}page=${number}`);
  return { page, pages, total, previousUrl: urlOf(page - 1), nextUrl: urlOf(page + 1), offset: (page - 1) * size };
}

/** Tells programs of the neighbours, relative to what they asked for, and of the whole, so that the body can be the list itself. */
export function setPageHeaders(res: Response, { previousUrl, nextUrl, total }: Pagination): void {
  const links = [{ rel: 'prev', url: previousUrl }, { rel: 'next', url: nextUrl }]
    .flatMap(({ rel, url }) => (url === null ? [] : [`<${url.slice(url.indexOf('?')).replace(/[<>"]/g, encodeURIComponent)}>; rel="${rel}"`]));
  if (links.length > 0) res.setHeader('Link', links.join(', '));
  res.setHeader('X-Total-Count', total);
}

/** One of several values of a parameter; undefined when it is missing or empty. @throws AppError `invalid_request` for any other */
export function readChoice<Value extends string>(req: Request, name: string, values: readonly Value[]): Value | undefined {
  const given = readQuery(req).get(name);
  if (given === undefined || given === '') return undefined;
  // `building` is a state and `Building` one of the five words.
  const found = values.find((value) => value === given) ?? values.find((value) => value.toLowerCase() === given.toLowerCase());
  if (found === undefined) throw new AppError('invalid_request', `“${given}” is not a ${name}: there are ${values.join(', ')}.`);
  return found;
}

/** The values for a select box, the one for all in front. */
export const choicesOf = (all: string, values: readonly string[], chosen: string | undefined): ChoiceView[] =>
  [{ value: '', text: all, chosen: chosen === undefined }, ...values.map((value) => ({ value, text: value, chosen: value === chosen }))];

/** The same page for programs. */
export function jsonUrlOf(req: Request): string {
  const rest = readQuery(req).without(['format', 'page']);
  return `${rest}${rest.includes('?') ? '&' : '?'}format=json`;
}

/** What `q` searches for, in lower case; empty for all. */
export const searchOf = (req: Request): string => (readQuery(req).get('q') ?? '').trim();

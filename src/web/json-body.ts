import express, { type Request, type RequestHandler } from 'express';
import { z } from 'zod';
import { AppError } from '../domain/errors.js';
import type { WebDeps } from './context.js';

const LIMIT = '64kb';
/** What is repeated of names that nobody knows. */
const NAMES_SHOWN = 5;
const NAME_SHOWN = 40;

/** Who makes a change, for the records. */
export const BY = z.string('must be a text').regex(/^(?=.*\S)[^\p{C}\p{Zl}\p{Zp}]{1,64}$/u, 'must have 1 to 64 printable characters, not only blanks').default('api');

/**
 * What stands in front of a change by JSON: the token, looked at before anything is read; then the body, whatever its
 * `Content-Type` says, since no page of another site can send the token along.
 *
 * @throws AppError `missing_token`, `invalid_request` for a body that is not JSON, `too_large` beyond 64 kB
 */
export function bearerJson({ door }: Pick<WebDeps, 'door'>): RequestHandler {
  const parse = express.json({ limit: LIMIT, strict: true, type: () => true });
  return (req, res, next) => {
    if (!door.bearsToken(req)) throw new AppError('missing_token', 'Changes need a token.');
    parse(req, res, (error?: unknown) => { next(error === undefined ? undefined : explained(error)); });
  };
}

function explained(error: unknown): unknown {
  const status: unknown = typeof error === 'object' && error !== null && 'status' in error ? error.status : undefined;
  if (status === 413) return new AppError('too_large', 'The body is larger than 64 kB.', { cause: error });
  return status === 400 ? new AppError('invalid_request', 'The body is not JSON.', { cause: error }) : error;
}

/** Reads a JSON body; an empty one is an object without keys. @throws AppError `invalid_request` that names every key that is wrong or unknown, or the first that nothing could keep as it is */
export function readBody<Shape extends z.core.$ZodLooseShape>(shape: Shape, req: Pick<Request, 'body'>): z.output<z.ZodObject<Shape, z.core.$strict>> {
  const fault = unkeepable(req.body);
  if (fault !== undefined) throw new AppError('invalid_request', fault);
  const read = z.strictObject(shape).safeParse(req.body ?? {}, { reportInput: true });
  if (read.success) return read.data;
  throw new AppError('invalid_request', `${read.error.issues.map(sentenceOf).join('. ')}.`);
}

/** Half of a character, which UTF-8 cannot write. */
const HALF = /\p{Cs}/u;

/** A name that objects drop without a word, and text that would come back as another one. However deep: without recursion. */
function unkeepable(body: unknown): string | undefined {
  const open: { readonly name: string; readonly value: unknown }[] = [{ name: '', value: body }];
  for (let next = open.pop(); next; next = open.pop()) {
    const { name, value } = next;
    if (typeof value === 'string' && HALF.test(value)) return `“${name}” has half of a character (a lone surrogate) in it.`;
    if (typeof value !== 'object' || value === null) continue;
    for (const [key, inner] of Object.entries(value)) {
      if (key === '__proto__') return '“__proto__” cannot be a name.';
      if (HALF.test(key)) return 'A name has half of a character (a lone surrogate) in it.';
      open.push({ name: `${name === '' ? '' : `${name}.`}${key}`.slice(0, NAME_SHOWN), value: inner });
    }
  }
  return undefined;
}

function sentenceOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') {
    const names = issue.keys.slice(0, NAMES_SHOWN).map((key) => `“${key.slice(0, NAME_SHOWN)}”`);
    return `Unknown: ${names.join(', ')}${issue.keys.length > names.length ? ' and more' : ''}`;
  }
  const what = issue.path.length === 0 ? 'The body' : `“${issue.path.join('.').slice(0, NAME_SHOWN)}”`;
  return `${what} ${issue.code === 'invalid_type' && issue.message.startsWith('Invalid input') ? describeType(issue) : issue.message}`;
}

const EXPECTED: Readonly<Record<string, string>> = {
  string: 'must be a text', boolean: 'must be true or false', number: 'must be a number', array: 'must be a list', record: 'must hold names and values', object: 'must be a JSON object',
};

const describeType = ({ expected, input, message }: z.core.$ZodIssueInvalidType): string => (input === undefined ? 'must be given' : EXPECTED[expected] ?? message);

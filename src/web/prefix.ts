import type { RequestHandler } from 'express';
import type { AllTemplates } from '../kernel/templates.js';

/**
 * Pages for a control plane that has a part of its host only: every path of a model goes below the prefix. The models
 * name what they lead to `url` or `…Url`; whole URLs stay as they are.
 */
export function prefixTemplates(templates: AllTemplates, prefix: string): AllTemplates {
  return { render: (name, model) => templates.render(name, prefixIn(model, prefix)) };
}

/** Does the same for redirects. */
export const prefixRedirects = (prefix: string): RequestHandler => (_req, res, next) => {
  const { location } = res;
  res.location = (url) => location.call(res, isPath(url) ? `${prefix}${url}` : url);
  next();
};

const isPath = (url: string): boolean => url.startsWith('/') && !url.startsWith('//');

function prefixIn(model: object, prefix: string): object {
  return Object.fromEntries(Object.entries(model).map(([name, value]: [string, unknown]) => [name, prefixed(name, value, prefix)]));
}

function prefixed(name: string, value: unknown, prefix: string): unknown {
  if (typeof value === 'string') return /(?:^u|U)rl$/.test(name) && isPath(value) ? `${prefix}${value}` : value;
  if (Array.isArray(value)) return value.map((each: unknown) => prefixed(name, each, prefix));
  return typeof value === 'object' && value !== null ? prefixIn(value, prefix) : value;
}

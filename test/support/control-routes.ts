import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A route of the control plane as its source has it; parameters of the path begin with a colon. */
export interface ControlRoute {
  readonly method: 'get' | 'post' | 'delete';
  readonly path: string;
}

const FOLDER = join(import.meta.dirname, '../../src/web');
const sources = () => readdirSync(FOLDER, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts')).map((name) => readFileSync(join(FOLDER, name), 'utf8'));

/** Every route there is, read from the route table, so that a new one is in every test about all of them. @throws Error when one is written so that it cannot be read */
export function controlRoutes(): readonly ControlRoute[] {
  const routes: ControlRoute[] = [];
  for (const text of sources()) {
    const written = [...text.matchAll(/(?<!function )\bonly(?:<[^(]*>)?\(|\bapp\.(?:get|post|put|patch|delete|all)\(/g)].filter(({ index }) => !/^app\.(?:get|all)\(path/.test(text.slice(index)));
    const read = [...text.matchAll(/\bonly\(\s*\w+,\s*'(get|post|delete) (\/[^']*)'|\bapp\.(get|post|put|patch|delete)\('(\/[^']*)'/g)];
    if (written.length !== read.length) throw new Error(`A route is written in a new way:\n${written.map(({ index }) => text.slice(index, index + 80)).join('\n')}`);
    for (const [, method, path, plainMethod, plainPath = ''] of read) routes.push({ method: (method ?? plainMethod) as ControlRoute['method'], path: path ?? plainPath });
  }
  return routes;
}

/** The parameters of a URL that any page reads. */
export function controlParameters(): readonly string[] {
  const names = sources().flatMap((text) => [...text.matchAll(/(?:query|readQuery\(req\))\??\.get\('([^']+)'\)/g)].map(([, name = '']) => name));
  return [...new Set([...names, 'branch', 'hash', 'env', 'reset', 'image', 'build', 'preview', 'delete', 'level'])].sort();
}

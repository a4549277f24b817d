import { posix } from 'node:path';

/** Files by path below `src/`, with all they import, as written. Imports for types only count like any other. */
export type Graph = ReadonlyMap<string, readonly string[]>;

/** design.md, section 3: a file imports from its own folder or from a lower rank. */
const RANKS: Readonly<Record<string, number>> = {
  domain: 0, kernel: 1, state: 2, engine: 2, source: 3, build: 3, release: 3, run: 3, serve: 3, flow: 4, web: 5, cli: 5, app: 6, main: 7,
};

/** What departs from the ranks: the parts each of these may see at all. */
const SEES: Readonly<Record<string, readonly string[]>> = { config: ['domain'], 'config-table': ['config'], cli: ['domain', 'kernel'] };
const SEEN_BY: Readonly<Record<string, readonly string[]>> = { config: ['app', 'main', 'config-table'], 'config-table': [] };

/** The folder of a file, or its own name where it lies directly in `src/`. */
const partOf = (path: string): string => path.split('/')[0]?.replace(/\.ts$/, '') ?? '';

/** The files of `src/` that a file imports. */
const targetsOf = (graph: Graph, path: string): string[] =>
  (graph.get(path) ?? []).filter((written) => written.startsWith('.')).map((written) => posix.join(posix.dirname(path), written).replace(/\.js$/, '.ts'));

/** @returns one sentence for each import that breaks the rule, and for each part that has no place in it */
export function breachesOf(graph: Graph): string[] {
  return [...graph.keys()].flatMap((path) => {
    const part = partOf(path);
    if (!isKnown(part)) return [`${path}: ${part} has no rank`];
    return targetsOf(graph, path).filter((target) => !graph.has(target) || !mayImport(part, partOf(target)))
      .map((target) => `${path} may not import ${target}${graph.has(target) ? '' : ', which is not there'}`);
  });
}

const isKnown = (part: string): boolean => Object.hasOwn(RANKS, part) || Object.hasOwn(SEEN_BY, part);

function mayImport(from: string, to: string): boolean {
  if (from === to) return true;
  const sees = Object.hasOwn(SEES, from) ? SEES[from] : undefined;
  if (sees) return sees.includes(to);
  const seenBy = Object.hasOwn(SEEN_BY, to) ? SEEN_BY[to] : undefined;
  if (seenBy) return seenBy.includes(from);
  return (RANKS[to] ?? Infinity) < (RANKS[from] ?? -Infinity);
}

/** @returns each group of files that import each other in a circle, as `a → b → a` */
export function cyclesOf(graph: Graph): string[] {
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) { cycles.push([...trail.slice(start), path].join(' → ')); return; }
    if (done.has(path)) return;
    for (const target of targetsOf(graph, path)) visit(target, [...trail, path]);
    done.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  return cycles;
}

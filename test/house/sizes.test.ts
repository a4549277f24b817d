import ts from 'typescript';
import { lastLineOf, lineOf, nodesOf, readSources, sourceFile, type SourceFile } from './source-files.js';

const SOURCES = readSources();
const FUNCTIONS = SOURCES.flatMap((file) => functionsOf(file));
const LONGEST_FILE = 250;
const LONGEST_FUNCTION = 40;
const MOST_PARAMETERS = 3;
/** The list of all parts and what each is given, in the order of the stages: parted, it would only pass bundles around. */
const COMPOSITION_ROOT = 'app.ts createApp';
/** Express knows an error handler by its four parameters. */
const ERROR_HANDLER = 'web/error-page.ts';

describe('sizes', () => {
  it(`files have ${LONGEST_FILE} lines at most`, () => {
    expect(SOURCES.map(({ path, text }) => [path, text.trimEnd().split('\n').length] as const).filter(([, lines]) => lines > LONGEST_FILE)).toEqual([]);
  });

  it(`functions have ${LONGEST_FUNCTION} lines at most, those of functions inside not counted`, () => {
    expect(FUNCTIONS.filter(({ lines }) => lines > LONGEST_FUNCTION).map(({ at }) => at)).toEqual([COMPOSITION_ROOT]);
  });

  it(`functions have ${MOST_PARAMETERS} parameters at most`, () => {
    const tooMany = FUNCTIONS.filter(({ parameters }) => parameters > MOST_PARAMETERS);
    expect(tooMany.filter(({ at }) => !at.startsWith(ERROR_HANDLER))).toEqual([]);
    expect(tooMany.map(({ parameters }) => parameters)).toEqual([4]);
  });

  it('are counted: a function’s own lines, and its closures for themselves', () => {
    const text = ['function create(a, b) {', '  const x = 1;', '', '  // why', '  const inner = (c) => {', '    x;', '    return () => x;', '  };', '  return { inner };', '}'].join('\n');
    expect(functionsOf(sourceFile('x.ts', text))).toEqual([
      { at: 'x.ts create', lines: 4, parameters: 2 }, { at: 'x.ts inner', lines: 4, parameters: 1 }, { at: 'x.ts:7', lines: 1, parameters: 0 },
    ]);
  });
});

describe('types are not escaped', () => {
  it('there is no any, no cast by way of unknown, and no silenced fault', () => { expect(SOURCES.flatMap(escapesOf)).toEqual([]); });

  it.each([
    ['const a: any = 1;', 1], ['const a = 1 as any;', 1], ['function f(...all: any[]) {}', 1], ['const a = b as unknown as string;', 1], ['const a = <string><unknown>b;', 1],
    ['// @ts-ignore\nb();', 1], ['/* @ts-expect-error */', 1], ['// @ts-nocheck', 1], ['AbortSignal.any([]); const any = "any"; const u = b as unknown;', 0],
  ])('is seen: %s', (text, count) => { expect(escapesOf(sourceFile('x.ts', text))).toHaveLength(count); });
});

interface FunctionSize { readonly at: string; readonly lines: number; readonly parameters: number }

/** All functions that have a body. */
function functionsOf(file: SourceFile): FunctionSize[] {
  return [...nodesOf(file.tree)].flatMap((node) => (ts.isFunctionLike(node) && 'body' in node && node.body
    ? [{ at: nameOf(file, node), lines: ownLines(file, node), parameters: node.parameters.length }]
    : []));
}

function nameOf(file: SourceFile, node: ts.Node): string {
  const named = ts.isVariableDeclaration(node.parent) ? node.parent : node;
  const name = 'name' in named && named.name ? (named.name as ts.Node).getText(file.tree) : undefined;
  return name === undefined ? `${file.path}:${lineOf(file, node)}` : `${file.path} ${name}`;
}

/** Lines with code of its own: not those of an inner function that has several, nor empty ones and comments. */
function ownLines(file: SourceFile, outer: ts.Node): number {
  const own = new Set<number>();
  const lines = file.text.split('\n');
  for (let line = lineOf(file, outer); line <= lastLineOf(file, outer); line += 1) if (!/^\s*(?:$|\/[/*]|\*)/.test(lines[line - 1] ?? '')) own.add(line);
  for (const inner of nodesOf(outer)) {
    const isInner = inner !== outer && ts.isFunctionLike(inner) && 'body' in inner && lineOf(file, inner) < lastLineOf(file, inner);
    if (isInner) for (let line = lineOf(file, inner); line <= lastLineOf(file, inner); line += 1) own.delete(line);
  }
  return own.size;
}

function escapesOf(file: SourceFile): string[] {
  const nodes = [...nodesOf(file.tree)].filter((node) => node.kind === ts.SyntaxKind.AnyKeyword || isDoubleCast(node)).map((node) => `${file.path}:${lineOf(file, node)}`);
  const comments = [...file.text.matchAll(/@ts-(?:ignore|nocheck|expect-error)/g)].map(({ index }) => `${file.path}: character ${index}`);
  return [...nodes, ...comments];
}

const isCast = (node: ts.Node): node is ts.AsExpression | ts.TypeAssertion => ts.isAsExpression(node) || ts.isTypeAssertionExpression(node);
const isDoubleCast = (node: ts.Node): boolean => isCast(node) && isCast(node.expression) && node.expression.type.kind === ts.SyntaxKind.UnknownKeyword;

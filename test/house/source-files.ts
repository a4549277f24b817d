import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A file of `src/`, or one made up for a test; the path is below `src/` and uses `/`. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
  readonly tree: ts.SourceFile;
}

export const sourceFile = (path: string, text: string): SourceFile =>
  ({ path, text, tree: ts.createSourceFile(path, text, ts.ScriptTarget.ES2022, true) });

/** All of `src/`, in the order of their paths. */
export function readSources(): readonly SourceFile[] {
  const folder = join(ROOT, 'src');
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts')).sort()
    .map((name) => sourceFile(relative('', name).replaceAll('\\', '/'), readFileSync(join(folder, name), 'utf8')));
}

/** All nodes below and with the given one, in the order of the text. */
export function* nodesOf(node: ts.Node): Generator<ts.Node> {
  yield node;
  const children: ts.Node[] = [];
  ts.forEachChild(node, (child) => { children.push(child); });
  for (const child of children) yield* nodesOf(child);
}

export const lineOf = ({ tree }: SourceFile, node: ts.Node): number => tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1;
export const lastLineOf = ({ tree }: SourceFile, node: ts.Node): number => tree.getLineAndCharacterOfPosition(node.getEnd()).line + 1;

/** Everything a file imports, by any means there is, as written: static, for types only, re-exported, dynamic, required. */
export function importsOf({ tree }: SourceFile): readonly string[] {
  return [...nodesOf(tree)].flatMap((node) => {
    const named = specifierOf(node);
    return named && ts.isStringLiteralLike(named) ? [named.text] : [];
  });
}

function specifierOf(node: ts.Node): ts.Node | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return node.moduleSpecifier;
  if (ts.isExternalModuleReference(node)) return node.expression;
  if (ts.isImportTypeNode(node)) return ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined;
  if (!ts.isCallExpression(node)) return undefined;
  const called = node.expression;
  return called.kind === ts.SyntaxKind.ImportKeyword || /^require(?:\.resolve)?$/.test(called.getText()) ? node.arguments[0] : undefined;
}

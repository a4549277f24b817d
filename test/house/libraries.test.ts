import ts from 'typescript';
import { importsOf, lineOf, nodesOf, readSources, sourceFile, type SourceFile } from './source-files.js';

const SOURCES = readSources();
/** A package, with what is below it and its types. */
const uses = (name: string) => (file: SourceFile): boolean => importsOf(file).some((written) => written === name || written.startsWith(`${name}/`));
const usersOf = (name: string): string[] => SOURCES.filter(uses(name)).map(({ path }) => path);

describe('libraries have their place', () => {
  it.each([['dockerode', 'engine/'], ['better-sqlite3', 'state/'], ['kysely', 'state/']])('%s is imported below %s only', (name, folder) => {
    expect(usersOf(name)).not.toEqual([]);
    expect(usersOf(name).filter((path) => !path.startsWith(folder))).toEqual([]);
  });

  it.each(['simple-git', 'p-queue', 'http-proxy', 'winston', 'express-session'])('%s is imported in one file', (name) => { expect(usersOf(name)).toHaveLength(1); });
});

/** Ending a process group takes a negative number, which the method of a child process does not. */
const KILL_OF_GROUPS = 'source/git-stream.ts';

describe('the process has its place', () => {
  it('is touched in main.ts and config.ts only', () => {
    expect(SOURCES.flatMap(touchesOf).filter((touch) => !/^(?:main|config)\.ts:/.test(touch))).toEqual([]);
  });

  it('gives its environment to config.ts only', () => {
    expect(SOURCES.filter(({ text }) => /\bprocess\s*(?:\?\.|\.|\[\s*['"])\s*env\b/.test(text)).map(({ path }) => path)).toEqual(['config.ts']);
  });

  it('is imported nowhere, but for the end of process groups', () => {
    expect(SOURCES.filter((file) => uses('node:process')(file) || uses('process')(file)).map(({ path }) => path)).toEqual([KILL_OF_GROUPS]);
    expect(SOURCES.find(({ path }) => path === KILL_OF_GROUPS)?.text).toContain("import { kill } from 'node:process';");
  });

  it('is seen however it is written', () => {
    const text = "process.exit(1);\nconst { env } = process;\nglobalThis.process.argv;\nconst a = { process: 1 };\na.process;\n// process.env\n'process.env';";
    expect(touchesOf(sourceFile('x.ts', text))).toEqual(['x.ts:1', 'x.ts:2', 'x.ts:3']);
  });
});

function touchesOf(file: SourceFile): string[] {
  return [...nodesOf(file.tree)].filter((node) => ts.isIdentifier(node) && node.text === 'process' && isTheProcess(node)).map((node) => `${file.path}:${lineOf(file, node)}`);
}

/** Not a property or a name of that spelling. */
function isTheProcess(node: ts.Node): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent) && parent.name === node) return /^global(?:This)?$/.test(parent.expression.getText());
  return !(ts.isPropertyAssignment(parent) && parent.name === node) && !ts.isPropertySignature(parent) && !ts.isMethodSignature(parent);
}

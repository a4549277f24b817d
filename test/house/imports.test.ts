import { breachesOf, cyclesOf, type Graph } from './import-rule.js';
import { importsOf, readSources, sourceFile } from './source-files.js';

const SOURCES = readSources();
const GRAPH: Graph = new Map(SOURCES.map((file) => [file.path, importsOf(file)]));
const graphOf = (files: Readonly<Record<string, readonly string[]>>): Graph => new Map(Object.entries(files));
/** A graph in which everything that is imported is there. */
const oneImport = (from: string, written: string, target: string): Graph => graphOf({ [from]: [written], [target]: [] });

describe('the import rule (types count)', () => {
  it('holds for all of src', () => {
    expect(SOURCES.length).toBeGreaterThan(100);
    expect([...GRAPH.values()].flat().length).toBeGreaterThan(300);
    expect(breachesOf(GRAPH)).toEqual([]);
  });

  it('holds without circles between files', () => { expect(cyclesOf(GRAPH)).toEqual([]); });

  it.each([
    ['domain/a.ts', '../kernel/clock.js', 'kernel/clock.ts'],
    ['kernel/a.ts', '../state/database.js', 'state/database.ts'],
    ['state/a.ts', '../engine/port.js', 'engine/port.ts'],
    ['engine/a.ts', '../state/database.js', 'state/database.ts'],
    ['build/a.ts', '../source/source.js', 'source/source.ts'],
    ['serve/a.ts', '../run/instances.js', 'run/instances.ts'],
    ['run/a.ts', '../flow/open-preview.js', 'flow/open-preview.ts'],
    ['flow/a.ts', '../web/web.js', 'web/web.ts'],
    ['cli/a.ts', '../web/api.js', 'web/api.ts'],
    ['cli/a.ts', '../state/database.js', 'state/database.ts'],
    ['cli/a.ts', '../flow/preview.js', 'flow/preview.ts'],
    ['web/a.ts', '../cli/a.js', 'cli/a.ts'],
    ['web/a.ts', '../app.js', 'app.ts'],
    ['web/a.ts', '../config.js', 'config.ts'],
    ['domain/a.ts', '../config.js', 'config.ts'],
    ['config.ts', './kernel/clock.js', 'kernel/clock.ts'],
    ['config.ts', './app.js', 'app.ts'],
    ['app.ts', './main.js', 'main.ts'],
    ['app.ts', './config-table.js', 'config-table.ts'],
  ])('catches that %s imports %s', (from, written, target) => {
    expect(breachesOf(oneImport(from, written, target))).toEqual([`${from} may not import ${target}`]);
  });

  it.each([
    ['kernel/a.ts', '../domain/ids.js', 'domain/ids.ts'],
    ['web/pages/a.ts', '../../flow/preview.js', 'flow/preview.ts'],
    ['web/pages/a.ts', '../web.js', 'web/web.ts'],
    ['cli/a.ts', '../kernel/clock.js', 'kernel/clock.ts'],
    ['cli/a.ts', './b.js', 'cli/b.ts'],
    ['config.ts', './domain/ids.js', 'domain/ids.ts'],
    ['app.ts', './config.js', 'config.ts'],
    ['main.ts', './app.js', 'app.ts'],
  ])('lets %s import %s', (from, written, target) => { expect(breachesOf(oneImport(from, written, target))).toEqual([]); });

  it('catches a folder without a rank, and an import of nothing', () => {
    expect(breachesOf(graphOf({ 'utils/a.ts': [], 'domain/a.ts': ['./gone.js', 'zod', 'node:fs'] }))).toEqual(['utils/a.ts: utils has no rank', 'domain/a.ts may not import domain/gone.ts, which is not there']);
    expect(breachesOf(graphOf({ 'constructor/a.ts': [] }))).toEqual(['constructor/a.ts: constructor has no rank']);
  });

  it('catches circles, of two files or more, also of one', () => {
    expect(cyclesOf(graphOf({ 'a.ts': ['./b.js'], 'b.ts': ['./c.js', './d.js'], 'c.ts': ['./b.js'], 'd.ts': ['./d.js'] }))).toEqual(['b.ts → c.ts → b.ts', 'd.ts → d.ts']);
    expect(cyclesOf(graphOf({ 'a.ts': ['./b.js', './c.js'], 'b.ts': ['./c.js'], 'c.ts': [] }))).toEqual([]);
  });

  it('sees every way to import', () => {
    const text = `import a from './a.js'; import type { B } from './b.js'; export * from './c.js'; export type { D } from './d.js';
      type E = import('./e.js').E; const f = await import('./f.js'); import g = require('./g.js'); require('./h.js'); require.resolve('./i.js'); import './j.js'; const no = "import './no.js'";`;
    expect(importsOf(sourceFile('x.ts', text))).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'].map((name) => `./${name}.js`));
  });
});

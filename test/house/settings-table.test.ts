import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderFileTable, renderSettingsTable } from '../../src/config-table.js';
import { listFileSettings, listSettings } from '../../src/config.js';
import { ROOT } from './source-files.js';

const README = join(ROOT, 'README.md');
const HOW = 'The tables of settings in README.md are not what src/config/ has: run `npm run docs`';
const blockOf = (name: string) => new RegExp(`(?<=^<!-- ${name} -->\\n)[^]*?(?=^<!-- /${name} -->$)`, 'm');

it.each([['settings', () => renderSettingsTable(listSettings())], ['file', () => renderFileTable(listFileSettings())]])('the README has the table of all %s; `npm run docs` writes it', (name, render) => {
  const readme = readFileSync(README, 'utf8');
  expect(readme.match(new RegExp(`^<!-- /?${name} -->$`, 'gm'))).toEqual([`<!-- ${name} -->`, `<!-- /${name} -->`]);
  const table = `${render()}\n`;
  if (process.env.UPDATE_DOCS === '1') writeFileSync(README, readme.replace(blockOf(name), () => table));
  if (blockOf(name).exec(readFileSync(README, 'utf8'))?.[0] !== table) throw new Error(HOW);
});

describe('the table of settings', () => {
  it('has a row for each, with flag, variable, default and meaning', () => {
    const rows = renderSettingsTable(listSettings()).split('\n');
    expect(rows).toHaveLength(listSettings().length + 2);
    expect(rows.slice(0, 2)).toEqual(['| setting | flag | variable | default | meaning |', '|---|---|---|---|---|']);
    expect(rows).toContain('| `builds.perMinute` | `--builds-per-minute` | `SLIPWAY_BUILDS_PER_MINUTE` | `30` | Builds started in any minute |');
    for (const row of rows.slice(2)) expect(row).toMatch(/^\| `[a-zA-Z.]+` \| (?:–|`--[a-z-]+`) \| `SLIPWAY_[A-Z_]+` \| (?:–|`[^`|]+`) \| [^|]+ \|$/);
  });

  it('has a row for each key of a file, and says which do nothing yet', () => {
    const rows = renderFileTable(listFileSettings()).split('\n');
    expect(rows).toHaveLength(listFileSettings().length + 2);
    expect(rows).toContain('| `projects.NAME.images.registries` | `[]` | Registries whose images may run with `?image=`; none by default |');
    for (const row of rows.slice(2)) expect(row).toMatch(/^\| `[a-zA-Z.]+` \| (?:–|`[^`|]+`) \| [^|]+ \|$/);
    expect(rows.filter((row) => row.endsWith('*(read, but does nothing yet)* |')).length).toBe(listFileSettings().filter(({ later }) => later).length);
  });

  it('keeps its cells whatever a sentence contains', () => {
    expect(renderSettingsTable([{ name: 'x', flag: '--x', variable: 'X', initial: 'a|b', description: 'one\n  two | three', later: false }]).split('\n')[2]).toBe('| `x` | `--x` | `X` | `a\\|b` | one two \\| three |');
  });
});

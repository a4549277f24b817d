import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderSettingsTable } from '../../src/config-table.js';
import { listSettings } from '../../src/config.js';
import { ROOT } from './source-files.js';

const README = join(ROOT, 'README.md');
const BLOCK = /(?<=^<!-- settings -->\n)[^]*?(?=^<!-- \/settings -->$)/m;
const HOW = 'The table of settings in README.md is not what src/config.ts has: run `npm run docs`';

it('the README has the table of all settings; `npm run docs` writes it', () => {
  const readme = readFileSync(README, 'utf8');
  expect([readme.match(/^<!-- settings -->$/gm), readme.match(/^<!-- \/settings -->$/gm)]).toEqual([['<!-- settings -->'], ['<!-- /settings -->']]);
  const table = `${renderSettingsTable(listSettings())}\n`;
  if (process.env.UPDATE_DOCS === '1') writeFileSync(README, readme.replace(BLOCK, () => table));
  if (BLOCK.exec(readFileSync(README, 'utf8'))?.[0] !== table) throw new Error(HOW);
});

describe('the table of settings', () => {
  it('has a row for each, with flag, variable, default and meaning', () => {
    const rows = renderSettingsTable(listSettings()).split('\n');
    expect(rows).toHaveLength(listSettings().length + 2);
    expect(rows.slice(0, 2)).toEqual(['| setting | variable | default | meaning |', '|---|---|---|---|']);
    expect(rows).toContain('| `--builds-per-minute` | `SLIPWAY_BUILDS_PER_MINUTE` | `30` | Builds started in any minute |');
    for (const row of rows.slice(2)) expect(row).toMatch(/^\| (?:–|`--[a-z-]+`) \| `SLIPWAY_[A-Z_]+` \| (?:–|`[^`|]+`) \| [^|]+ \|$/);
  });

  it('keeps its cells whatever a sentence contains', () => {
    expect(renderSettingsTable([{ name: 'x', flag: '--x', variable: 'X', initial: 'a|b', description: 'one\n  two | three' }]).split('\n')[2]).toBe('| `--x` | `X` | `a\\|b` | one two \\| three |');
  });
});

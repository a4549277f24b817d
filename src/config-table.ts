import type { SettingEntry } from './config.js';

const HEAD = ['| setting | variable | default | meaning |', '|---|---|---|---|'];

/** Renders settings as the README's Markdown table, in their order; no setting without a row, no empty cell. */
export function renderSettingsTable(entries: readonly SettingEntry[]): string {
  const rows = entries.map(({ flag, variable, initial, description }) =>
    `| ${flag === null ? '–' : `\`${flag}\``} | \`${variable}\` | ${initial === '' ? '–' : `\`${cell(initial)}\``} | ${cell(description)} |`);
  return [...HEAD, ...rows].join('\n');
}

/** A bar would end the cell and a line end the row. */
const cell = (text: string): string => text.replaceAll('|', '\\|').replace(/\s*\n\s*/g, ' ');

import type { SettingEntry } from './config/entries.js';

const HEAD = ['| setting | flag | variable | default | meaning |', '|---|---|---|---|---|'];

/** Renders settings as the README's Markdown table, in their order; no setting without a row, no empty cell. */
export function renderSettingsTable(entries: readonly SettingEntry[]): string {
  const rows = entries.map(({ name, flag, variable, initial, description, later }) =>
    `| \`${name}\` | ${code(flag)} | ${code(variable)} | ${code(initial)} | ${cell(description)}${later ? ' *(read, but does nothing yet)*' : ''} |`);
  return [...HEAD, ...rows].join('\n');
}

/** The same for what only the file can say. */
export function renderFileTable(entries: readonly SettingEntry[]): string {
  const rows = entries.map(({ name, initial, description, later }) => `| \`${name}\` | ${code(initial)} | ${cell(description)}${later ? ' *(read, but does nothing yet)*' : ''} |`);
  return ['| key | default | meaning |', '|---|---|---|', ...rows].join('\n');
}

const code = (text: string | null): string => (text === null || text === '' ? '–' : `\`${cell(text)}\``);

/** A bar would end the cell and a line end the row. */
const cell = (text: string): string => text.replaceAll('|', '\\|').replace(/\s*\n\s*/g, ' ');

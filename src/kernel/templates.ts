import { readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import ejs, { type TemplateFunction } from 'ejs';
import { AppError } from '../domain/errors.js';

/** Pages by name; `Pages` maps each name to its model, so that a part sees only the pages it may render. */
export interface Templates<Pages extends object> {
  /** @returns the whole page. @throws AppError `internal` when there is no such page */
  render<Name extends keyof Pages & string>(name: Name, model: Pages[Name]): string;
}

/** Any page of the folder: given as `Templates<…>` to the part that renders some of them. */
export interface AllTemplates {
  render(name: string, model: object): string;
}

/**
 * Compiles every `*.ejs` of the folder at once, so that a fault in one shows at start; partials are compiled at first use.
 *
 * A template sees its model as `page` and nothing else. `<%=` goes through `escapeText`.
 */
export function createTemplates({ folder }: { folder: string }): AllTemplates {
  const pages = new Map<string, TemplateFunction>();
  for (const file of readdirSync(folder)) {
    if (file.endsWith('.ejs')) pages.set(basename(file, '.ejs'), compilePage(folder, file));
  }
  return {
    render: (name, model) => {
      const page = pages.get(name);
      if (!page) throw new AppError('internal', `There is no page “${name}”.`);
      return page(model);
    },
  };
}

function compilePage(folder: string, file: string): TemplateFunction {
  const filename = join(folder, file);
  return ejs.compile(readFileSync(filename, 'utf8'), {
    filename, views: [folder], cache: true, strict: true, localsName: 'page', escape: escapeText,
  });
}

/** Controls, bidirectional overrides and invisible characters; a joiner is wanted only inside an emoji. */
const UNSEEN = new RegExp([
  '[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\xad\\u061c\\u180e\\u200b\\u200c\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb\\u{e0000}-\\u{e007f}]',
  '(?<![\\p{Extended_Pictographic}\\p{Emoji_Modifier}\\ufe0f])\\u200d',
].join('|'), 'gu');

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&#34;', "'": '&#39;' };

/** Makes text safe in HTML content and quoted attributes, and shows what would reorder or hide it as `⟨U+202E⟩`. */
export function escapeText(value: unknown): string {
  if (value === undefined || value === null) return '';
  return asText(value).replace(UNSEEN, codePoint).replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : typeof value === 'number' ? value.toString() : JSON.stringify(value);
}

function codePoint(character: string): string {
  return `⟨U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}⟩`;
}

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createTemplates, escapeText, type Templates } from '../../src/kernel/templates.js';
import { type AllPages, barePages, fullPages } from './page-samples.js';

const FOLDER = join(import.meta.dirname, '../../views');
const templates = createTemplates({ folder: FOLDER });
const typed: Templates<AllPages> = templates;
const render = (name: keyof AllPages, pages: AllPages): string => typed.render(name, pages[name]);
const names = Object.keys(barePages()) as (keyof AllPages)[];

const sources = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ejs')).map((file) => ({ file, text: readFileSync(join(FOLDER, file), 'utf8') }));

/** The values of attributes and the texts between tags, told apart from the tags themselves. */
const tagsOf = (html: string): string[] => html.match(/<[a-z!/][^>]*>/gi) ?? [];
/** The start of each tag with its attributes' names, so that text which became markup shows. */
const shapeOf = (html: string): string[] =>
  tagsOf(html).map((tag) => tag.replace(/"[^"]*"/g, '""').replace(/\s+/g, ' '));

describe('pages', () => {
  it('has a sample for every page and a page for every sample', () => {
    const pages = sources.map(({ file }) => file).filter((file) => !file.includes('/')).map((file) => file.replace('.ejs', ''));
    expect(pages.sort()).toEqual([...names].sort());
  });

  it.each(names)('%s renders with all that its model may hold', (name) => {
    const html = render(name, fullPages('fix/cart'));
    expect(html).toMatch(/^\s*<!doctype html>\n<html lang="en">/);
    expect(html.trimEnd().endsWith('</html>')).toBe(true);
    expect(html).toContain('fix/cart');
    expect(html).not.toMatch(/undefined|\[object|NaN/);
  });

  it.each(names)('%s renders with as little as its model may hold', (name) => {
    const html = render(name, barePages());
    expect(html).toMatch(/<h1/);
    expect(html).not.toMatch(/undefined|\[object|NaN|>null</);
  });

  it.each(names)('A4, J1, J8: %s shows hostile words as text and grows no element and no attribute', (name) => {
    const hostile = `</pre></script><script>alert(1)</script><img src=x onerror="alert(2)">'"\`-->${'x'.repeat(5_000)}`;
    const html = render(name, fullPages(hostile));
    expect(html).not.toContain('<script>alert');
    expect(html).not.toContain('<img src=x');
    expect(html).toContain('&lt;script&gt;alert(1)');
    expect(shapeOf(html)).toEqual(shapeOf(render(name, fullPages('harmless'))));
  });

  it.each(names)('J4: %s shows what would reorder or hide text', (name) => {
    const html = render(name, fullPages('abc\u202etxt.exe\u2066 \u200bzero\u0085\u001b[2J'));
    for (const unseen of ['\u202e', '\u2066', '\u200b', '\u0085', '\u001b']) expect(html).not.toContain(unseen);
    expect(html).toContain('abc⟨U+202E⟩txt.exe⟨U+2066⟩ ⟨U+200B⟩zero⟨U+0085⟩⟨U+001B⟩[2J');
  });

  it.each(names)('%s has one main heading, labels for its log, and ids used once', (name) => {
    const html = render(name, fullPages('main'));
    expect(html.match(/<h1/g)).toHaveLength(1);
    const ids = [...html.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [, labelled] of html.matchAll(/aria-labelledby="([^"]*)"/g)) expect(ids).toContain(labelled);
  });

  it('refuses a page that is not there', () => {
    expect(() => templates.render('../package', {})).toThrow('There is no page');
  });
});

describe('content security policy', () => {
  const controlPages = names.filter((name) => name !== 'waiting' && name !== 'preview-error');

  it.each(controlPages)('%s has neither inline style nor inline script nor handlers', (name) => {
    const html = render(name, fullPages('main'));
    expect(html).not.toMatch(/<style|\sstyle=|\son[a-z]+=/i);
    const inline = [...html.matchAll(/<script[^>]*>/g)].filter(([tag]) => !tag.includes(' src="/assets/'));
    expect(inline).toEqual([]);
  });

  it.each(['waiting', 'preview-error'] as const)('%s loads nothing and carries its nonce', (name) => {
    const html = render(name, fullPages('main'));
    expect(html).not.toMatch(/\ssrc=|<link|@import|url\(|\sstyle=/);
    const blocks = html.match(/<(style|script)[^>]*>/g) ?? [];
    expect(blocks.every((tag) => tag.includes('nonce="bm9uY2U="'))).toBe(true);
  });

  it('has no script on the error page of a preview', () => {
    expect(render('preview-error', fullPages('main'))).not.toContain('<script');
  });

  it.each(sources)('$file leaves nothing unescaped but what it includes', ({ text }) => {
    const raw = text.match(/<%-(?! include\()/g) ?? [];
    expect(raw).toEqual([]);
  });

  it('names only assets that are there', () => {
    const assets = new Set([...readdirSync(join(FOLDER, 'assets')), 'pico.min.css']);
    for (const name of names) {
      for (const [, asset] of render(name, fullPages('main')).matchAll(/"\/assets\/([^"]*)"/g)) expect(assets).toContain(asset);
    }
  });
});

describe('what a page offers', () => {
  it('leaves out what cannot be done', () => {
    const html = render('build', barePages());
    expect(html).not.toContain('Cancel');
    expect(html).not.toContain('Build again');
    expect(html).not.toContain('data-events');
  });

  it('sends a change as a form with its forgery token', () => {
    const html = render('confirm', fullPages('main'));
    expect(html).toMatch(/<form method="post" action="\/reset">/);
    expect(html).toContain('<input type="hidden" name="token" value="main">');
    expect(html).toContain('<input type="hidden" name="hash" value="main">');
  });

  it('marks where the preview is on its way, and waits without script too', () => {
    const html = render('waiting', fullPages('main'));
    expect(html).toMatch(/<li class="done">Queued<\/li>\s*<li class="now" aria-current="step">Building<\/li>\s*<li>Starting<\/li>/);
    expect(html).toContain('<noscript><meta http-equiv="refresh" content="3"></noscript>');
    expect(html).toContain('ready in about 2 min');
    expect(html).toContain('>1:13<');
  });

  it.each([['unknown', 'Queued'], ['pending', 'Queued'], ['starting', 'Starting'], ['stopped', 'Starting'], ['sleeping', 'Starting'], ['running', 'Ready']] as const)(
    'shows %s as the step %s', (state, step) => {
      const html = templates.render('waiting', { ...barePages().waiting, state });
      expect(html).toContain(`aria-current="step">${step}</li>`);
    });
});

describe('escapeText', () => {
  it('keeps joined emoji, accents and tabs', () => {
    expect(escapeText('👩‍💻 👩🏽‍💻 ❤️‍🔥 é\té')).toBe('👩‍💻 👩🏽‍💻 ❤️‍🔥 é\té');
  });

  it('shows a joiner elsewhere', () => {
    expect(escapeText('a\u200db')).toBe('a⟨U+200D⟩b');
  });

  it('writes nothing for what is not there', () => {
    expect(escapeText(null) + escapeText(undefined)).toBe('');
    expect(escapeText(0)).toBe('0');
  });
});

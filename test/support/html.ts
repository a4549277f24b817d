/** An element's start tag as a browser reads it; `text` is what stands in an element that holds only text. */
export interface HtmlElement {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly text: string;
}

/** Elements in which a browser sees no tags. */
const TEXT_ONLY = new Set(['script', 'style', 'title', 'textarea', 'noscript', 'iframe', 'xmp']);
/** A name, and a value in quotes or without; quotes in a name are a part of it. */
const ATTRIBUTE = /([^\s/>=]+)(?:\s*=\s*("[^"]*"|'[^']*'|[^\s>"'][^\s>]*))?/g;
const TAG = new RegExp(`<!--.*?-->|<[!?][^>]*>|</[a-z][^>]*>|<([a-z][^\\s/>]*)((?:[\\s/]+|${ATTRIBUTE.source}|=)*)>`, 'gis');

/** The elements of a page, in order. Reads tags as browsers do, so that text which became markup shows. */
export function elementsOf(html: string): HtmlElement[] {
  const elements: HtmlElement[] = [];
  const tags = new RegExp(TAG);
  for (let tag = tags.exec(html); tag; tag = tags.exec(html)) {
    const name = tag[1]?.toLowerCase();
    if (name === undefined) continue;
    let text = '';
    if (TEXT_ONLY.has(name)) {
      const end = new RegExp(`</${name}[\\s/>]`, 'i').exec(html.slice(tags.lastIndex))?.index ?? html.length;
      text = html.slice(tags.lastIndex, tags.lastIndex + end);
      tags.lastIndex += end;
    }
    elements.push({ name, attributes: attributesOf(tag[2] ?? ''), text });
  }
  return elements;
}

function attributesOf(text: string): Map<string, string> {
  return new Map([...text.matchAll(ATTRIBUTE)].map(([, name = '', value = '']) => [name.toLowerCase(), decodeEntities(value.replace(/^(["'])(.*)\1$/s, '$2'))]));
}

const NAMED: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: '\'' };

function decodeEntities(text: string): string {
  return text.replace(/&(#x?[0-9a-f]+|\w+);/gi, (whole, code: string) => {
    if (!code.startsWith('#')) return NAMED[code] ?? whole;
    return String.fromCodePoint(Number(code.slice(1).replace(/^x/i, '0x')));
  });
}

/** What a page would do that no page of ours does: run, load or go somewhere because of somebody's text. */
export function dangersOf(html: string): string[] {
  return elementsOf(html).flatMap(({ name, attributes }) => {
    const found = [...attributes].flatMap(([attribute, value]) => dangerOfAttribute(attribute, value).map((why) => `<${name} ${why}>`));
    if (name === 'script' && !attributes.has('nonce') && attributes.get('src')?.startsWith('/assets/') !== true) found.push('<script> that is not ours');
    if (['iframe', 'object', 'embed', 'base', 'svg', 'math', 'template', 'frame', 'applet'].includes(name)) found.push(`<${name}>`);
    return found;
  });
}

function dangerOfAttribute(attribute: string, value: string): string[] {
  if (!/^[a-z][a-z-]*\d?$/.test(attribute)) return [`${attribute}, which is no attribute`];
  if (attribute.startsWith('on') || attribute === 'style' || attribute === 'srcdoc') return [attribute];
  const leads = ['href', 'src', 'action', 'formaction', 'data', 'poster'].includes(attribute);
  return leads && !/^(?:\/(?!\/)|#|https?:\/\/|$)/.test(value) ? [`${attribute}="${value}"`] : [];
}

import { dangersOf, elementsOf } from '../support/html.js';
import type { TestAnswer } from '../support/test-app.js';

/** Breaks out of content, of a title, of a script and of attributes in either quote. */
export const SUBJECT = '</title></script></pre>--><script>alert(1)</script><img src=x onerror=alert(2)>"onmouseover="alert(3)" \'onfocus=\'alert(4)\' <a href=javascript:alert(5)>';
/** Git takes angle brackets out of a name. */
export const AUTHOR = 'Ada "onmouseover="alert(6)" \'onfocus=\'alert(7)\' &lt;script&gt;';
export const LINE = `output ${SUBJECT}`;
export const BRANCHES = ['a<script>alert(1)</script>', '<img/src=x/onerror=alert(2)>', 'a"onmouseover="alert(3)"', 'a\'onfocus=\'alert(4)\'', '</title><script>alert(5)</script>', '<svg/onload=alert(6)>', 'a&lt;script&gt;'];
/** As a path, a parameter, a form's field or a header has it. */
export const ASKED = '<img src=x onerror=alert(9)>"\'</title><script>alert(9)</script>';
export const RAW = /<script>alert|<img src=x|<img\/src|<svg\/|<a href=javascript|"onmouseover="|'onfocus='|onerror=alert\(\d\)>/;

/** Nothing of a stranger's text is markup: neither by its bytes nor in the eyes of a browser. */
export function checkAnswer(path: string, { headers, text, status }: Pick<TestAnswer, 'headers' | 'text' | 'status'>): void {
  expect([path, status === 500]).toEqual([path, false]);
  expect(JSON.stringify(headers)).not.toMatch(RAW);
  const type = headers['content-type'] ?? '';
  if (!type.startsWith('text/html')) {
    // Programs get text as it is, and no browser may take it for a page.
    expect([path, type]).toEqual([path, expect.stringMatching(/^$|^(?:application\/json|text\/plain|text\/event-stream|text\/css|text\/javascript|image\/svg\+xml)(?:;|$)/i)]);
    expect([path, headers['x-content-type-options']]).toEqual([path, 'nosniff']);
    return;
  }
  expect([path, RAW.exec(text)?.[0]]).toEqual([path, undefined]);
  expect([path, dangersOf(text)]).toEqual([path, []]);
  for (const { name, text: inner } of elementsOf(text)) if (name !== 'title') expect([path, name, inner.includes('alert(')]).toEqual([path, name, false]);
  expect([path, headers['content-security-policy']?.toString().includes('default-src \'none\'')]).toEqual([path, true]);
}

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { launchBrowser, openVisitor } from '../support/browser.js';
import { echo, startTestApp, type TestApp } from '../support/test-app.js';
import { ASKED, AUTHOR, BRANCHES, LINE, SUBJECT } from '../web/escaped-samples.js';

/** What the page became: all that runs, loads or leads somewhere because of an attribute or an element. */
const LOOK = `(() => {
  const found = [];
  for (const element of document.querySelectorAll('*')) {
    for (const { name, value } of element.attributes) {
      if (name.startsWith('on') || !/^[a-z][a-z-]*\\d?$/.test(name)) found.push(element.localName + ' ' + name);
      if (['href', 'src', 'action'].includes(name) && /^\\s*(?:javascript|data|vbscript):/i.test(value)) found.push(element.localName + ' ' + value);
    }
    if (['iframe', 'object', 'embed', 'base', 'svg', 'math'].includes(element.localName)) found.push(element.localName);
    if (element.localName === 'script' && element.nonce === '' && !(element.getAttribute('src') ?? '').startsWith('/assets/')) found.push('script');
    if (element.localName === 'img' && !element.getAttribute('src').startsWith('/assets/')) found.push('img');
  }
  return found;
})()`;

describe('A4: in the eyes of a browser', () => {
  const commits = new Map<string, string>();
  let app: TestApp;
  let browser: Browser;
  const hostOf = (branch: string | undefined) => `hash-${commits.get(branch ?? '') ?? ''}.localhost`;

  beforeAll(async () => {
    app = await startTestApp({
      prepare: (repository) => {
        for (const [index, branch] of BRANCHES.entries()) {
          const blob = repository.gitWithInput(`${index}\n`, 'hash-object', '-w', '--stdin');
          const tree = repository.gitWithInput(`100644 blob ${blob}\tDockerfile\n`, 'mktree');
          const commit = repository.git('-c', `user.name=${AUTHOR}`, '-c', 'user.email=ada@example.com', 'commit-tree', '-m', `${SUBJECT} ${index}`, tree);
          repository.setRef(`refs/heads/${branch}`, commit);
          commits.set(branch, commit);
        }
      },
      builds: ({ tags }) => ({ lines: [LINE], ...(tags.some((tag) => tag.endsWith(commits.get(BRANCHES[1] ?? '') ?? '-')) ? { fail: LINE } : {}), ...(tags.some((tag) => tag.endsWith(commits.get(BRANCHES[2] ?? '') ?? '-')) ? { until: new Promise(() => undefined) } : {}) }),
      program: (spec) => ({ lines: [LINE], serve: echo(spec) }),
      settings: { 'hold.navigation': '50ms' },
    });
    for (const branch of BRANCHES.slice(0, 2)) await app.get(hostOf(branch), '/');
    app.log.error(LINE, { [SUBJECT]: SUBJECT });
    browser = await launchBrowser();
  }, 120_000);

  afterAll(async () => {
    await browser.close();
    await app[Symbol.asyncDispose]();
  }, 60_000);

  it('no page has an element or a handler that a stranger’s words made, and nothing of them runs', async () => {
    await using visitor = await openVisitor(browser);
    const { page } = visitor;
    const dialogs: string[] = [];
    page.on('dialog', (dialog) => { dialogs.push(dialog.message()); void dialog.dismiss(); });
    const builds = JSON.parse((await app.control('/api/builds')).text) as { id: string }[];
    const asked = encodeURIComponent(ASKED);
    const urls = [
      ...['/', `/?q=${asked}`, `/?branch=${asked}`, `/?hash=${asked}`, `/?image=${asked}`, `/${asked}`, '/log', '/status', '/localimages', '/debug', `/confirm?action=${asked}`, ...builds.map(({ id }) => `/builds/${id}`), ...BRANCHES.slice(0, 3).map((branch) => `/previews/${hostOf(branch).replace('.localhost', '')}`)].map((path) => ['localhost', path] as const),
      [hostOf(BRANCHES[1]), '/'] as const, [hostOf(BRANCHES[2]), '/'] as const, ['container-nothing.localhost', `/${asked}`] as const,
    ];
    const words: string[] = [];
    for (const [host, path] of urls) {
      await page.goto(`http://${host}:${app.port}${path}`, { waitUntil: 'load' });
      expect([host, path, await page.evaluate(LOOK)]).toEqual([host, path, []]);
      words.push(await page.innerText('body'));
    }
    expect(dialogs).toEqual([]);
    // They are there to be read, exactly as they were written.
    for (const text of ['a<script>alert(1)</script>', '</title></script></pre>-->', 'Ada "onmouseover="alert(6)"', '<img src=x onerror=alert(9)>']) expect([text, words.some((each) => each.includes(text))]).toEqual([text, true]);
  }, 120_000);
});

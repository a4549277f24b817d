import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { launchBrowser, openVisitor, seriousViolations, type Visitor } from '../support/browser.js';
import { startStagedServer, type StagedServer } from '../support/staged-server.js';

describe('a release manager in a browser', () => {
  let server: StagedServer;
  let browser: Browser;
  let visitor: Visitor;
  let page: Page;
  let first: { readonly id: string; readonly commit: string };
  let second: { readonly id: string; readonly commit: string };

  const at = (path: string) => `http://localhost:${server.port}${path}`;
  const card = (on: Page, stage: string) => on.locator('.stage', { has: on.getByRole('link', { name: stage, exact: true }) });
  /** Presses a button on the page of releases and the one that confirms it. */
  const press = async (on: Page, stage: string, name: string) => {
    await on.goto(at('/releases'));
    await card(on, stage).getByRole('button', { name }).click();
    await on.getByRole('button', { name }).click();
    await on.waitForURL(at('/releases'));
  };

  beforeAll(async () => {
    server = await startStagedServer('    run: { readyTimeout: 5s }\n');
    first = await server.publish('one');
    second = await server.publish('two');
    browser = await launchBrowser();
    visitor = await openVisitor(browser);
    ({ page } = visitor);
  }, 180_000);

  afterAll(async () => {
    await browser.close();
    await server[Symbol.asyncDispose]();
  }, 60_000);

  it('X17, X6: promotes what dev serves, and rolls dev back, each with two presses', async () => {
    expect([await server.shown('dev'), (await server.get('test.localhost', '/')).status]).toEqual(['two', 404]);
    await press(page, 'dev', 'Promote to test');
    expect(await server.shown('test')).toBe('two');
    expect(await card(page, 'test').innerText()).toMatch(/running[\s\S]*promotion by web/);
    expect(await card(page, 'dev').innerText()).toContain('test serves the same image.');
    await press(page, 'dev', `Roll back to ${first.id}`);
    expect([await server.shown('dev'), await server.shown('test')]).toEqual(['one', 'two']);
    expect(await card(page, 'dev').innerText()).toContain(`rollback to ${first.id} by web`);
    expect(await page.locator('.rows > li').first().innerText()).toMatch(new RegExp(`rollback to ${first.id}\\s+serves now`));
    expect(visitor.faults()).toEqual([]);
  }, 90_000);

  it('needs no script', async () => {
    await server.post('stages/dev/rollback', { to: second.id });
    const context = await browser.newContext({ javaScriptEnabled: false });
    const plain = await context.newPage();
    await press(plain, 'dev', `Roll back to ${first.id}`);
    expect(await server.shown('dev')).toBe('one');
    await plain.locator('summary').first().click();
    expect(await plain.locator('details[open]').innerText()).toContain('512 MiB');
    await plain.getByLabel('Route').selectOption('test');
    await plain.getByRole('button', { name: 'Filter' }).click();
    expect(await plain.locator('.rows > li').count()).toBe(1);
    await context.close();
  }, 90_000);

  it('sees by itself what others release, and is told when something else serves than what was looked at', async () => {
    await page.goto(at('/releases'));
    await card(page, 'dev').getByRole('button', { name: 'Promote to test' }).click();
    await page.getByRole('heading', { name: /^Promote v\d+ from dev to test\?$/ }).waitFor();
    await server.publish('three');
    await page.getByRole('button', { name: 'Promote to test' }).click();
    await page.getByRole('heading', { name: 'It has changed meanwhile' }).waitFor();
    expect(await server.shown('test')).toBe('two');
    await page.getByRole('button', { name: 'Releases' }).click();
    await page.waitForURL(at('/releases'));
    const fourth = await server.publish('four');
    await card(page, 'dev').getByText(fourth.id, { exact: true }).waitFor();
    expect(visitor.faults()).toEqual([]);
  }, 90_000);

  it('P7: reads why a release did not take over, and what serves on', async () => {
    const commit = await server.commit('five', { unhealthy: true });
    await server.post('publish', { commit });
    await page.goto(at('/releases'));
    const words = await card(page, 'dev').innerText();
    expect(words).toMatch(/v\d+ did not take over/);
    expect(words).toMatch(/v\d+ serves on\./);
    await card(page, 'dev').getByRole('link', { name: /^What v\d+ printed$/ }).click();
    expect(await page.innerText('body')).toContain('version five starts');
    expect(await server.shown('dev')).toBe('four');
  }, 90_000);

  it.each([
    ['the releases', () => '/releases', 200],
    ['a search without a result', () => '/releases?q=nothing-like-it', 200],
    ['the project', () => '/', 200],
    ['a stage', () => '/previews/dev', 200],
    ['the status', () => '/status', 200],
    ['a question about a rollback', () => '/confirm?action=roll-back&route=dev', 200],
    ['a question about a promotion', () => '/confirm?action=promote&stage=test', 200],
    ['a rollback that leads nowhere', () => '/confirm?action=roll-back&route=prod', 404],
  ])('the page of %s has no serious fault, and needs no scrolling sideways on a narrow screen', async (_what, path, status) => {
    const answer = await page.goto(at(path()));
    expect([answer?.status(), await seriousViolations(page)]).toEqual([status, []]);
    await page.setViewportSize({ width: 360, height: 740 });
    for (const summary of await page.locator('summary').all()) await summary.click();
    expect(await page.evaluate<boolean>('document.documentElement.scrollWidth > document.documentElement.clientWidth')).toBe(false);
    expect(await seriousViolations(page)).toEqual([]);
    await page.setViewportSize({ width: 1100, height: 800 });
  }, 60_000);

  it('the host of a stage without a release has no serious fault either', async () => {
    const answer = await page.goto(`http://prod.localhost:${server.port}/`);
    expect([answer?.status(), await seriousViolations(page)]).toEqual([404, []]);
    expect(await page.innerText('body')).toContain('slipway publish');
  }, 60_000);
});

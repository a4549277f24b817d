import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import type { RefName } from '../../src/domain/ids.js';
import { slugOf } from '../../src/domain/slug.js';
import { launchBrowser, openVisitor, seriousViolations, type Visitor } from '../support/browser.js';
import { createSampleRepository, slowDockerfile, unbuilt, type SampleRepository } from '../support/sample-repository.js';
import { startServer, type ServerProcess } from '../support/server-process.js';

describe('for people who see, hear or point differently', () => {
  let sample: SampleRepository;
  let server: ServerProcess;
  let browser: Browser;
  let visitor: Visitor;
  let page: Page;
  let slow: string;

  const at = (path: string) => `http://localhost:${server.port}${path}`;
  const previewOf = (commit: string) => `http://hash-${commit}.localhost:${server.port}/`;
  const labelOf = (branch: string) => `hash-${sample.branches[branch] ?? ''}`;
  const imagePath = async (branch: string) => {
    const images = JSON.parse((await server.get('localhost', `/api/images?q=${sample.branches[branch] ?? ''}`)).text) as { id: string }[];
    return `/confirm?action=remove-image&image=${images[0]?.id.replace('sha256:', '') ?? ''}`;
  };
  const buildOf = async (query: string) => `/builds/${(await server.status(query)).build?.id ?? ''}`;
  beforeAll(async () => {
    sample = await createSampleRepository();
    slow = await sample.commit('slow/long', { Dockerfile: slowDockerfile(120), ...unbuilt() });
    server = await startServer({ repository: sample.path });
    browser = await launchBrowser();
    visitor = await openVisitor(browser);
    ({ page } = visitor);
    await page.emulateMedia({ reducedMotion: 'reduce' });
    await Promise.all([...['main', 'broken/build', 'broken/crash'].map(labelOf), `branch-${slugOf('feature/cart' as RefName)}`].map((label) => server.get(`${label}.localhost`, '/')));
    await page.goto(previewOf(slow));
    await page.locator('#log .line').nth(2).waitFor();
  }, 120_000);

  afterAll(async () => {
    await browser.close();
    await server[Symbol.asyncDispose]();
    await sample[Symbol.asyncDispose]();
  }, 60_000);

  it.each([
    ['the project', () => '/', 200],
    ['a search without a result', () => '/?q=nothing-like-it', 200],
    ['the status', () => '/status', 200],
    ['the status of nothing', () => '/status?state=NotBuilt&q=nothing-like-it', 200],
    ['the images', () => '/localimages', 200],
    ['a question about an image', () => imagePath('main'), 200],
    ['an image in use', () => imagePath('feature/cart'), 409],
    ['the server’s insides', () => '/debug', 200],
    ['the application log', () => '/log', 200],
    ['the application log, filtered', () => '/log?level=warn&q=a', 200],
    ['a build that succeeded', () => buildOf('branch=main'), 200],
    ['a build that failed', () => buildOf('branch=broken/build'), 200],
    ['a build under way', () => buildOf(`hash=${slow}`), 200],
    ['a preview that runs', () => `/previews/${labelOf('main')}`, 200],
    ['a preview that ended', () => `/previews/${labelOf('broken/crash')}`, 200],
    ['a question', () => `/confirm?action=restart&preview=${labelOf('main')}`, 200],
    ['an unknown branch', () => '/?branch=feature/cat', 404],
    ['nothing', () => '/nothing', 404],
  ])('the page of %s has no serious fault', async (_what, path, status) => {
    const answer = await page.goto(at(await path()));
    expect([answer?.status(), await seriousViolations(page)]).toEqual([status, []]);
  }, 60_000);

  it('the waiting page has no serious fault', async () => {
    const answer = await page.goto(previewOf(slow));
    await page.locator('#log .line').nth(2).waitFor();
    expect([answer?.status(), await seriousViolations(page)]).toEqual([503, []]);
  }, 60_000);

  it.each([['a build', 'broken/build', 424], ['a start', 'broken/crash', 502]])('the page of %s that failed, on the preview’s host, has no serious fault', async (_what, branch, status) => {
    const answer = await page.goto(previewOf(sample.branches[branch] ?? ''));
    expect([answer?.status(), await seriousViolations(page)]).toEqual([status, []]);
  }, 60_000);

  it('a narrow screen has everything without scrolling sideways', async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    const tooWide: string[] = [];
    for (const url of [at('/'), at('/status'), at('/localimages'), at('/debug'), at('/log'), at(await buildOf('branch=main')), previewOf(slow), previewOf(sample.branches['broken/build'] ?? '')]) {
      await page.goto(url);
      if (await page.evaluate<boolean>('document.documentElement.scrollWidth > document.documentElement.clientWidth')) tooWide.push(url);
    }
    expect(tooWide).toEqual([]);
  }, 60_000);

  it('no page has complained in the console', () => {
    expect(visitor.faults()).toEqual([]);
  });
});

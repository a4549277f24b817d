import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { launchBrowser, openVisitor } from '../support/browser.js';
import { createSampleRepository, slowDockerfile, unbuilt, type SampleRepository } from '../support/sample-repository.js';
import { startServer, type ServerProcess } from '../support/server-process.js';

describe('D3: with everything on one host', () => {
  let sample: SampleRepository;
  let server: ServerProcess;
  let browser: Browser;
  const at = (path: string) => `http://localhost:${server.port}${path}`;

  beforeAll(async () => {
    sample = await createSampleRepository();
    await sample.commit('slow/build', { Dockerfile: slowDockerfile(4), ...unbuilt() });
    server = await startServer({ repository: sample.path, args: ['--routing', 'session'] });
    browser = await launchBrowser();
  }, 120_000);
  afterAll(async () => {
    await browser.close();
    await server[Symbol.asyncDispose]();
    await sample[Symbol.asyncDispose]();
  }, 60_000);

  it('a person chooses a branch, sees its log grow and then the application, live parts included', async () => {
    await using visitor = await openVisitor(browser);
    const { page } = visitor;
    await page.goto(at('/form'));
    expect(page.url()).toBe(at('/__slipway/'));
    await page.getByRole('button', { name: 'Open slow/build' }).click();
    await page.waitForURL(at('/'));
    await page.locator('#log').getByText('polishing the brass').first().waitFor();
    expect(await page.locator('#build-link').getAttribute('href')).toMatch(new RegExp(`^http://localhost:${server.port}/__slipway/builds/b_`));
    await page.getByText('This is the main branch.').first().waitFor();
    await page.goto(at('/live'));
    await page.locator('#tick', { hasText: 'Tick' }).waitFor();
    await page.locator('#state', { hasText: 'open' }).waitFor();
    await page.goto(at('/__slipway/status'));
    expect(await page.locator('main').innerText()).toContain('slow/build');
    expect(visitor.faults()).toEqual([]);
  }, 90_000);

  it('another browser has a choice of its own', async () => {
    await using one = await openVisitor(browser);
    await using other = await openVisitor(browser);
    const cart = () => one.page.getByText('Now with a cart.').waitFor();
    const live = () => other.page.getByText('Server-sent events and a WebSocket, live.').waitFor();
    await one.page.goto(at('/?branch=feature/cart'));
    await other.page.goto(at('/?branch=realtime'));
    // A waiting page reloads itself, which would interrupt a navigation of the test's own.
    await Promise.all([cart(), live()]);
    await one.page.goto(at('/'));
    await other.page.goto(at('/'));
    await Promise.all([cart(), live()]);
  }, 90_000);

  it('scripts of the application have names of their own, and a person restarts it from its page', async () => {
    await using visitor = await openVisitor(browser);
    const { page } = visitor;
    await page.goto(at('/?branch=feature/cart'));
    await page.getByText('Now with a cart.').waitFor();
    expect(await page.evaluate(async () => (await fetch('/?branch=realtime&image=cat.png')).text())).toContain('Now with a cart.');
    await page.goto(at('/__slipway/status'));
    await page.locator('tr', { hasText: 'feature/cart' }).first().getByRole('link', { name: /^Log of / }).click();
    await page.getByRole('button', { name: 'Restart' }).click();
    await page.waitForURL(/\/__slipway\/confirm\?action=restart&preview=/);
    await page.getByRole('button', { name: 'Restart' }).click();
    await page.waitForURL(/\/__slipway\/previews\/hash-[0-9a-f]{40}$/);
    await page.goto(at('/'));
    await page.getByText('Now with a cart.').waitFor();
    expect(visitor.faults()).toEqual([]);
  }, 90_000);
});

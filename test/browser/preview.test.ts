import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { launchBrowser, openVisitor, type Visitor } from '../support/browser.js';
import { eventually } from '../support/eventually.js';
import { createSampleRepository, slowDockerfile, unbuilt, type SampleRepository } from '../support/sample-repository.js';
import { startServer, type ServerProcess } from '../support/server-process.js';

describe('in a browser', () => {
  let sample: SampleRepository;
  let server: ServerProcess;
  let browser: Browser;
  let visitor: Visitor;
  let page: Page;
  /** What a test expects the console to complain about. */
  let allowed: RegExp | undefined;

  const at = (path: string) => `http://localhost:${server.port}${path}`;
  const previewOf = (commit: string | undefined, path = '/') => `http://hash-${commit ?? ''}.localhost:${server.port}${path}`;
  const lines = () => page.locator('#log .line').count();
  const heading = () => page.locator('h1').first().innerText();
  /** Waits until the log has grown twice. @returns the three counts */
  const watchGrowth = async () => {
    const counts = [await lines()];
    for (const _step of [1, 2]) counts.push(await eventually(async () => { const now = await lines(); return now > (counts.at(-1) ?? 0) && now; }, { what: 'the log grows' }));
    return counts;
  };

  beforeAll(async () => {
    sample = await createSampleRepository();
    await sample.commit('slow/build', unbuilt());
    await sample.commit('slow/cancelled', { Dockerfile: slowDockerfile(60), ...unbuilt() });
    await sample.commit('slow/other', { Dockerfile: slowDockerfile(4), ...unbuilt() });
    server = await startServer({ repository: sample.path });
    browser = await launchBrowser();
  }, 120_000);

  beforeEach(async () => { visitor = await openVisitor(browser); ({ page } = visitor); allowed = undefined; });
  afterEach(async () => {
    const faults = visitor.faults().filter((fault) => !allowed?.test(fault));
    await visitor[Symbol.asyncDispose]();
    expect(faults).toEqual([]);
  });

  afterAll(async () => {
    await browser.close();
    await server[Symbol.asyncDispose]();
    await sample[Symbol.asyncDispose]();
  }, 60_000);

  it('shows the log while it builds, and then the application at the same URL', async () => {
    const commit = await sample.git('rev-parse', 'refs/heads/slow/build');
    const first = await page.goto(at('/form?branch=slow/build&y=1'));
    expect([first?.status(), page.url()]).toEqual([503, previewOf(commit, '/form?y=1')]);
    expect(await page.title()).toBe(`Getting slow/build ready · ${sample.project}`);
    expect(await page.locator('#sentence').innerText()).toMatch(/to be built|Building the image/);
    const [before = 0, , after = 0] = await watchGrowth();
    expect(after).toBeGreaterThan(before);
    await page.locator('#log').getByText('polishing the brass').first().waitFor();
    expect(await page.locator('#build-link').getAttribute('href')).toMatch(new RegExp(`^http://localhost:${server.port}/builds/b_`));
    await page.getByRole('button', { name: 'Order' }).waitFor();
    expect([page.url(), await heading()]).toEqual([previewOf(commit, '/form?y=1'), 'Sample shop']);
    await page.getByLabel('Your name').fill('Grace');
    await page.getByRole('button', { name: 'Order' }).click();
    await page.getByText('Thank you').waitFor();
    expect(await page.locator('dl').innerText()).toContain('Grace');
  }, 90_000);

  it('shows why a build failed, with its last lines and the way to its log', async () => {
    await page.goto(at('/?branch=broken/build'));
    await page.getByRole('heading', { name: 'The build failed' }).waitFor();
    expect(page.url()).toBe(previewOf(sample.branches['broken/build']));
    expect(await page.locator('.log').innerText()).toContain('error TS2322: a number is not a price');
    await page.getByRole('link', { name: 'Build log' }).click();
    await page.waitForURL(/\/builds\/b_/);
    expect(await page.locator('#log').innerText()).toContain('Checking the types');
  }, 60_000);

  it('shows why an application ended, and lets it be started again', async () => {
    await page.goto(at('/?branch=broken/crash'));
    await page.getByRole('heading', { name: 'The application stopped' }).waitFor();
    expect(await page.locator('main').innerText()).toMatch(/exited with code 7[^]*DATABASE_URL is not set/);
    await page.getByRole('link', { name: 'Application log and restart' }).click();
    await page.waitForURL(/\/previews\/hash-/);
    expect(await page.locator('#log').innerText()).toContain('DATABASE_URL is not set');
  }, 60_000);

  it('lists branches, finds them, and opens one', async () => {
    await page.goto(at('/'));
    expect(await heading()).toBe(sample.project);
    const shown = page.locator('#branches .row-name a');
    expect(await shown.allInnerTexts()).toEqual(expect.arrayContaining(['main', 'feature/cart', 'a;b', 'a<script>alert(1)</script>', '--upload-pack=touch${IFS}pwned']));
    await page.getByRole('searchbox').fill('CART');
    await page.getByRole('searchbox').press('Enter');
    await page.waitForURL(/\?q=CART/);
    expect(await shown.allInnerTexts()).toEqual(['feature/cart']);
    await page.getByRole('button', { name: 'Open feature/cart' }).click();
    await page.getByText('Now with a cart.').waitFor();
    expect(page.url()).toBe(previewOf(sample.branches['feature/cart']));
    await page.goto(at('/?q=nothing-like-it'));
    expect(await page.locator('main').innerText()).toContain('No branch matches');
  }, 60_000);

  it('shows a branch with markup in its name as text', async () => {
    await page.goto(at(`/?branch=${encodeURIComponent('a<script>alert(1)</script>')}`));
    await page.getByText('A branch with an odd name.').waitFor();
    expect(await page.locator('dd').first().innerText()).toBe('a<script>alert(1)</script>');
  }, 60_000);

  it('shows a build live, and cancels it after a question', async () => {
    await page.goto(at('/?branch=slow/cancelled'));
    await page.locator('#build-link').click();
    await page.waitForURL(/\/builds\/b_/);
    const url = page.url();
    const [before = 0, , after = 0] = await watchGrowth();
    expect(after).toBeGreaterThan(before);
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('heading', { name: 'Cancel this build?' }).waitFor();
    await page.getByRole('button', { name: 'Keep as it is' }).click();
    await page.waitForURL(url);
    expect(await page.locator('.badge').first().innerText()).toBe('building');
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('button', { name: 'Cancel the build' }).click();
    await page.waitForURL(url);
    expect(await page.locator('.badge').first().innerText()).toBe('cancelled');
    expect(await page.locator('#log').innerText()).toMatch(/cancelled after \d+\.\d s: It was cancelled\.$/);
  }, 90_000);

  it('restarts a preview after a question', async () => {
    const label = `hash-${sample.branches.main ?? ''}`;
    await page.goto(previewOf(sample.branches.main));
    await page.getByText('This is the main branch.').waitFor();
    await page.goto(at(`/previews/${label}`));
    expect(await page.locator('#log').innerText()).toContain('Sample shop listens on port 3000');
    await page.getByRole('button', { name: 'Restart' }).click();
    await page.getByRole('heading', { name: `Restart ${label}?` }).waitFor();
    await page.getByRole('button', { name: 'Restart', exact: true }).click();
    await page.waitForURL(at(`/previews/${label}`));
    await eventually(async () => (await page.locator('#log').innerText()).match(/listens on port 3000/g)?.length === 2, { what: 'the log shows both starts' });
    await eventually(async () => (await page.locator('.badge').first().innerText()) === 'running', { what: 'the page says running' });
    expect((await page.goto(previewOf(sample.branches.main)))?.status()).toBe(200);
  }, 90_000);

  it('builds again after a question', async () => {
    await page.goto(at('/?branch=feature/cart&reset=1'));
    await page.getByRole('heading', { name: /^Build [0-9a-f]+ again\?$/ }).waitFor();
    await page.getByRole('button', { name: 'Build again' }).click();
    await page.waitForURL(/\/builds\/b_/);
    expect(await page.locator('main').innerText()).toContain('without cache');
    await eventually(async () => (await page.locator('.badge').first().innerText()) === 'succeeded', { what: 'the build ends' });
    await page.getByRole('button', { name: 'Open preview' }).click();
    await page.getByText('Now with a cart.').waitFor();
  }, 90_000);

  it('carries server-sent events and a WebSocket of the application', async () => {
    await page.goto(at('/live?branch=realtime'));
    await page.getByText('hello').waitFor();
    expect(await page.locator('#state').innerText()).toBe('open');
    await page.getByLabel('Say something').fill('Land in sight');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByText('Land in sight').waitFor();
    await page.getByText(/^Tick [23] at/).waitFor();
  }, 60_000);

  it('keeps cookies of the control plane and of each preview apart', async () => {
    await page.goto(at('/?branch=main&reset=1'));
    const own = await visitor.context.cookies();
    expect(own.map(({ name, domain, httpOnly }) => ({ name, domain, httpOnly }))).toEqual([{ name: 'slw_sid', domain: 'localhost', httpOnly: true }]);
    await page.goto(previewOf(sample.branches.main, '/echo'));
    const toFirst = await page.locator('body').innerText();
    await page.evaluate("document.cookie = 'mine=1'; document.cookie = 'wide=1; domain=localhost';");
    await page.goto(previewOf(sample.branches['feature/cart'], '/echo'));
    const toSecond = await page.locator('body').innerText();
    expect(JSON.parse(toFirst)).not.toHaveProperty('headers.cookie');
    expect(JSON.parse(toSecond)).not.toHaveProperty('headers.cookie');
    const control = page.waitForRequest(at('/status'));
    await page.goto(at('/status'));
    expect((await (await control).allHeaders()).cookie).toMatch(/^slw_sid=[^;]+$/);
  }, 60_000);

  it('goes on by itself after the server was killed and started again', async () => {
    const commit = await sample.git('rev-parse', 'refs/heads/slow/other');
    await page.goto(at('/?branch=slow/other'));
    await watchGrowth();
    allowed = /net::ERR_(?:INCOMPLETE_CHUNKED_ENCODING|CONNECTION_REFUSED|CONNECTION_RESET) .*\/__slipway\/events/;
    await server.kill('SIGKILL');
    await server.restart(['--port', String(server.port)]);
    await page.getByRole('heading', { name: 'Sample shop' }).waitFor();
    expect(page.url()).toBe(previewOf(commit));
  }, 90_000);
});

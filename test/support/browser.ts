import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';

const ARGUMENTS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync',
];
const PATIENCE_MS = 30_000;

export const launchBrowser = (): Promise<Browser> =>
  chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ARGUMENTS });

/** A person with cookies of their own, whose console is read. */
export interface Visitor extends AsyncDisposable {
  readonly context: BrowserContext;
  readonly page: Page;
  /** What went wrong in the console; that a page itself came with a failure status is no fault of its own. */
  faults(): readonly string[];
}

export async function openVisitor(browser: Browser): Promise<Visitor> {
  const context = await browser.newContext({ viewport: { width: 1100, height: 800 } });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const faults: string[] = [];
  const documents = new Set<string>();
  page.on('response', (response) => { if (response.request().isNavigationRequest()) documents.add(response.url()); });
  page.on('pageerror', (error) => { faults.push(`error: ${error.message}`); });
  page.on('console', (message) => {
    const ofPage = message.text().startsWith('Failed to load resource: the server responded with a status of') && documents.has(message.location().url);
    if (['error', 'warning'].includes(message.type()) && !ofPage) faults.push(`${message.type()}: ${message.text()} (${message.location().url})`);
  });
  return { context, page, faults: () => [...faults], [Symbol.asyncDispose]: () => context.close() };
}

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface AxeResults { readonly violations: readonly { readonly id: string; readonly impact: string | null; readonly nodes: readonly { readonly html: string }[] }[] }

/** WCAG 2.1 A and AA; another colour scheme changes nothing but contrast. */
const RULES = { light: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'], dark: ['color-contrast'] } as const;

/** Looks in both colour schemes for what keeps people from using the page. @returns the serious and critical violations, one line each */
export async function seriousViolations(page: Page): Promise<string[]> {
  const found: string[] = [];
  await page.evaluate(AXE);
  for (const colorScheme of ['light', 'dark'] as const) {
    // Without motion, or colours would still be on their way from the other scheme.
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    const { violations } = await page.evaluate<AxeResults>(`axe.run({ resultTypes: ['violations'], runOnly: ${JSON.stringify(RULES[colorScheme])} })`);
    const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
    found.push(...serious.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${colorScheme}: ${id}: ${html}`)));
  }
  return found;
}

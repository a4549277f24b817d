#!/usr/bin/env node
/**
 * Commits a change to the demo's shop, for previews and stages that follow it: `npm run demo:commit -- [text] [branch]`.
 * The shop says the text and has another colour. Prints what to look at.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { isStarted, runScript } from '../find-engine.mjs';

const run = promisify(execFile);

const SHOP = fileURLToPath(new URL('../../.demo/shop', import.meta.url));
const IDENTITY = ['-c', 'user.name=Sam Sample', '-c', 'user.email=sam@example.com', '-c', 'commit.gpgsign=false'];
const COLOURS = ['#2457c5', '#a3195b', '#0b7a55', '#7a4b0b', '#5b3fa0', '#b3261e'];

async function main([text = `Changed at ${new Date().toLocaleTimeString()}`, branch = 'main']) {
  if (!existsSync(join(SHOP, '.git'))) throw new Error('There is no shop yet: npm run demo makes it.');
  const git = async (...args) => (await run('git', ['-C', SHOP, ...args])).stdout.trim();
  await git('checkout', '--quiet', branch);
  const file = join(SHOP, 'look.json');
  const look = JSON.parse(await readFile(file, 'utf8'));
  const colour = COLOURS[(COLOURS.indexOf(look.colour) + 1) % COLOURS.length];
  await writeFile(file, `${JSON.stringify({ ...look, text, colour }, null, 2)}\n`);
  await git(...IDENTITY, 'commit', '--quiet', '--all', '--message', text);
  const slug = branch.replace(/[^a-z0-9-]/g, '-');
  console.log(`${branch} is at ${(await git('rev-parse', 'HEAD')).slice(0, 10)} now: “${text}”.

What runs of it follows within a minute, or at once after
  npm run slipway -- update shop --branch ${branch} --state-dir .demo/state
Look at http://branch-${slug}.shop.localhost:3000/${branch === 'main' ? ' and at http://dev.shop.localhost:3000/, to which main is published' : ''}. Back again:
  npm run slipway -- rollback shop --stage dev --state-dir .demo/state`);
}

if (isStarted(import.meta.url)) await runScript(main);

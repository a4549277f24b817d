import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigFaults, loadConfig, type Config } from '../../src/config.js';
import { createTestFolder } from '../support/git.js';

export const REPOSITORY = 'https://git.example.com/acme/shop.git';

/** A folder with a `slipway.yaml`; `at` names files in it. */
export function createFile(text: string) {
  const folder = createTestFolder();
  const at = (name: string) => join(folder.path, name);
  writeFileSync(at('slipway.yaml'), text);
  return { at, path: at('slipway.yaml'), [Symbol.dispose]: () => { folder[Symbol.dispose](); } };
}

/** What a file says, with variables, flags and a repository beside it. */
export function load(text: string, { env = {}, flags = {}, repository = undefined as string | undefined } = {}): Config {
  using file = createFile(text);
  return loadConfig(repository, { config: file.path, ...flags }, env);
}

/** Each fault, with the folder taken away. */
export function faultsOf(text: string, options?: Parameters<typeof load>[1]): readonly string[] {
  using file = createFile(text);
  try { loadConfig(options?.repository, { config: file.path, ...options?.flags }, options?.env ?? {}); } catch (error) {
    if (error instanceof ConfigFaults) return error.faults.map((fault) => fault.replaceAll(file.at('/'), ''));
    throw error;
  }
  return [];
}

/** A project `shop` with some keys, which begin in line 4. */
export const project = (keys = ''): string => `projects:\n  shop:\n    repository: ${REPOSITORY}\n${keys.split('\n').map((line) => `    ${line}\n`).join('')}`;

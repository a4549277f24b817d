import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { registryName, type RegistryAccount } from '../domain/registry.js';
import type { ConfigFile } from './file.js';
import { isRegistry, type Settings } from './schema.js';

/** The private registries of a file, by host. Pushes a sentence for each fault that the schema cannot see. */
export function readRegistries(file: ConfigFile | undefined, settings: Settings, faults: string[]): ReadonlyMap<string, RegistryAccount> {
  if (!file) return new Map();
  const inFolder = (path: string) => resolve(dirname(resolve(file.path)), path);
  const check = (fault: string | undefined, ...keys: string[]) => {
    if (fault !== undefined) faults.push(`${file.placeOf(['registries', ...keys])} ${['registries', ...keys].join('.')} ${fault}`);
  };
  // What was written and not what the schema made of it: all faults are told at once.
  for (const [host, own] of entriesOf(file.tree.registries)) {
    check(hostFault(host), host);
    for (const [key, path] of entriesOf(own)) if (key === 'passwordFile' && typeof path === 'string') check(passwordFault(inFolder(path)), host, key);
  }
  return new Map(Object.entries(settings.registries).map(([host, { username, passwordFile }]) => [host, { username, passwordFile: inFolder(passwordFile) }]));
}

const entriesOf = (given: unknown): [string, unknown][] => (given !== null && typeof given === 'object' && !Array.isArray(given) ? Object.entries(given) : []);

function hostFault(host: string): string | undefined {
  if (!isRegistry(host)) return 'is not a registry such as registry.example.com, 127.0.0.1:5000 or docker.io, in lower case';
  return registryName(host) === host ? undefined : `is called ${registryName(host)} here`;
}

/** It is read again whenever it is used; what could not be used now would only be found out by the first pull. */
function passwordFault(path: string): string | undefined {
  try {
    if (!statSync(path).isFile()) return `names no file: ${path}`;
    return readFileSync(path, 'utf8').trim() === '' ? `names an empty file: ${path}` : undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ENOTDIR' ? `names no file: ${path}` : `names a file that cannot be read (${code ?? 'unknown fault'}): ${path}`;
  }
}

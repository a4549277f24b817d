import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { Repository } from './repository.js';

/** Where a git child finds things. All paths are absolute. */
export interface GitPlace {
  readonly gitDir: string;
  /** An empty folder, so that nobody's own git settings count. */
  readonly home: string;
  /** The only configuration file git reads besides the mirror's own. */
  readonly configFile: string;
  readonly path: string;
  readonly repository: Repository;
}

/** Faults of old but honest histories that do no harm; all other findings of fsck refuse a fetch. */
const HARMLESS = [
  'badDate', 'badDateOverflow', 'badEmail', 'badName', 'badTimezone', 'missingEmail', 'missingNameBeforeEmail',
  'missingSpaceBeforeDate', 'missingSpaceBeforeEmail', 'multipleAuthors', 'zeroPaddedDate', 'zeroPaddedFilemode',
];

/**
 * The whole environment of a git child.
 *
 * @see https://git-scm.com/docs/git#_environment_variables
 */
export function gitEnvironment({ gitDir, home, configFile, path, repository }: GitPlace): Record<string, string> {
  return {
    PATH: path,
    HOME: home,
    LC_ALL: 'C',
    GIT_DIR: gitDir,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: configFile,
    GIT_TERMINAL_PROMPT: '0',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_ALLOW_PROTOCOL: repository.path === null ? 'https:http:ssh' : 'https:http:ssh:file',
    GIT_SSH_COMMAND: `ssh -oBatchMode=yes -oStrictHostKeyChecking=yes${repository.sshOptions}`,
  };
}

/**
 * The text of git's configuration file. The remote and its credentials are here, so that they are in no argument.
 *
 * @see https://git-scm.com/docs/git-config
 */
export function gitSettings(repository: Repository, home: string): string {
  // Refs are not flushed one by one: 10,000 would take half a minute, and a mirror that lost one is made anew.
  const sections: [name: string, values: [key: string, value: string][]][] = [
    ['core', [['hooksPath', '/dev/null'], ['fsmonitor', 'false'], ['fsync', 'committed,-loose-object,-reference']]],
    ['init', [['templateDir', home], ['defaultBranch', 'main']]],
    ['protocol "ext"', [['allow', 'never']]],
    ['protocol "fd"', [['allow', 'never']]],
    ['submodule', [['recurse', 'false']]],
    ['gc', [['auto', '0']]],
    ['maintenance', [['auto', 'false']]],
    ['credential', [['helper', '']]],
    ['transfer', [['fsckObjects', 'true']]],
    ['fetch "fsck"', HARMLESS.map((fault) => [fault, 'ignore'])],
    ['http', [['lowSpeedLimit', '1000'], ['lowSpeedTime', '30']]],
    ['safe', safeFolders(repository).map((folder) => ['directory', folder])],
    ['remote "origin"', [['url', repository.address], ['tagOpt', '--no-tags']]],
  ];
  if (repository.authorization !== null) {
    sections.push([`http ${quote(repository.address)}`, [['extraHeader', repository.authorization]]]);
  }
  return sections.map(([name, values]) => `[${name}]\n${values.map(([key, value]) => `\t${key} = ${quote(value)}\n`).join('')}`).join('');
}

/** The remote's address in a text of `gitSettings`; undefined when it has none. */
export function originOf(settings: string): string | undefined {
  const quoted = /^\[remote "origin"\]\n\turl = "((?:[^"\\\n]|\\.)*)"$/m.exec(settings)?.[1];
  return quoted?.replace(/\\(.)/g, '$1');
}

const quote = (value: string): string => `"${value.replace(/[\\"]/g, '\\$&')}"`;

/** Git refuses a repository of another user unless it is named, as it was asked for and as it really is. */
function safeFolders({ path }: Repository): string[] {
  if (path === null) return [];
  const folders = [path, realPath(path)];
  return [...new Set(folders.flatMap((folder) => [folder, join(folder, '.git')]))];
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

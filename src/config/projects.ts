import { existsSync, statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import type { z } from 'zod';
import { parseEnvironmentName, parseProjectName } from '../domain/ids.js';
import { environmentFault, projectNameFault, RESERVED_PREFIXES, stageFault } from '../domain/preview-name.js';
import { isRefName } from '../domain/ref-name.js';
import type { EnvironmentSettings, IdleTimes, Project } from '../domain/project.js';
import { describeIssue } from './faults.js';
import type { ConfigFile } from './file.js';
import { copyTree } from './gather.js';
import { PROJECT, type ProjectSettings, type Settings } from './schema.js';

/** The projects of a file, in its order. Pushes a sentence for each fault. */
export function readProjects(file: ConfigFile, settings: Settings, faults: string[]): readonly Project[] {
  const { projects } = file.tree;
  if (projects === undefined || projects === null) return [];
  if (typeof projects !== 'object' || Array.isArray(projects)) {
    faults.push(`${file.placeOf(['projects'])} projects must hold names with settings`);
    return [];
  }
  return Object.entries(projects).flatMap(([name, own]) => {
    const named = { name, keys: ['projects', name], file };
    if (typeof own === 'string') { faults.push(`${file.placeOf(named.keys)} ${named.keys.join('.')} must hold keys and values; write ${name}: { repository: ${own} }`); return []; }
    const tree: unknown = isTree(own) ? copyTree(own) : own ?? {};
    const parsed = PROJECT.safeParse(tree, { reportInput: true });
    const found = [...(parsed.error?.issues ?? []).flatMap((issue) => describe(issue, named)), ...faultsOf(named, isTree(tree) ? tree : {})];
    faults.push(...found);
    return parsed.success && found.length === 0 ? [projectOf(named, parsed.data, settings)] : [];
  });
}

const isTree = (given: unknown): given is Record<string, unknown> => given !== null && typeof given === 'object' && !Array.isArray(given);

interface Named { readonly name: string; readonly keys: readonly string[]; readonly file: ConfigFile }

function describe(issue: z.core.$ZodIssue, { file, keys }: Named): string[] {
  const originOf = (path: readonly PropertyKey[]) => { const all = [...keys, ...path]; return `${file.placeOf(all)} ${all.join('.')}`; };
  return describeIssue(issue, { originOf, keysBeside: (path) => keysIn(PROJECT.shape, path) });
}

/** The keys a group of the schema may have; for suggestions only. */
export function keysIn(shape: Readonly<Record<string, unknown>>, [first, ...rest]: readonly PropertyKey[]): readonly string[] {
  if (first === undefined) return Object.keys(shape);
  const { def } = shape[String(first)] as { def?: { innerType?: { shape?: Record<string, unknown> } } };
  return def?.innerType?.shape ? keysIn(def.innerType.shape, rest) : [];
}

/** What the schema cannot see: whether names have one reading, and files are there. */
function faultsOf({ name, keys, file }: Named, { repository, environments, stages, git, publish }: Record<string, unknown>): string[] {
  const folder = dirname(resolve(file.path));
  const found: string[] = [];
  const check = (fault: string | undefined, ...inner: string[]) => {
    const all = [...keys, ...inner];
    if (fault !== undefined) found.push(`${file.placeOf(all)} ${all.join('.')} ${fault}`);
  };
  check(projectNameFault(name));
  const taken = namesIn(stages);
  for (const stage of taken) check(stageFault(stage), 'stages', stage);
  for (const environment of namesIn(environments)) check(environmentFault(environment, { stages: taken }), 'environments', environment);
  if (typeof publish === 'string' && publish.trim() !== '' && !isRefName(publish)) check(`can be no branch: “${publish}” is not a name that git takes`, 'publish');
  if (typeof repository === 'string') check(repositoryFault(repository, folder), 'repository');
  for (const [key, path] of Object.entries(isTree(git) ? git : {})) if (typeof path === 'string' && !isFile(resolve(folder, path))) check(`names no file: ${resolve(folder, path)}`, 'git', key);
  return found;
}

const namesIn = (given: unknown): string[] => (isTree(given) ? Object.keys(given) : []);
const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() === true;

function projectOf({ name, file }: Named, own: ProjectSettings, settings: Settings): Project {
  const folder = dirname(resolve(file.path));
  const inFolder = (path: string | undefined) => (path === undefined ? null : resolve(folder, path));
  const build = { ...settings.build, ...given(own.build) };
  const run = { ...settings.run, ...given(own.run) };
  return {
    ...assemble({ name, repository: absolute(own.repository, folder), build: { ...build, args: own.build.args }, run: { ...run, env: own.run.env } }),
    host: own.host ?? null,
    idle: idleOf({ ...settings.idle, ...given(own.idle) }),
    keep: own.keep,
    environments: new Map(Object.entries(own.environments).map(([environment, changed]) => [parseEnvironmentName(environment), environmentOf(changed)])),
    stages: new Map(Object.entries(own.stages).map(([stage, changed]) => [stage, environmentOf(changed)])),
    publish: own.publish ?? null,
    keepBuilds: own.build.keepBuilds,
    images: own.images,
    git: { tokenFile: inFolder(own.git.tokenFile), sshKey: inFolder(own.git.sshKey), knownHosts: inFolder(own.git.knownHosts) },
  };
}

/** What was left away must not hide what it falls back on. */
const given = <T extends object>(own: T): { [Name in keyof T]: Exclude<T[Name], undefined> } =>
  Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined)) as { [Name in keyof T]: Exclude<T[Name], undefined> };

const idleOf = ({ sleep, stop }: Settings['idle']): IdleTimes => ({ sleepMs: sleep, stopMs: stop });

const environmentOf = (changed: ProjectSettings['environments'][string]): EnvironmentSettings => ({
  env: changed?.env ?? {}, ...(changed?.memory === undefined ? {} : { memoryBytes: changed.memory }), ...(changed?.cpus === undefined ? {} : { cpus: changed.cpus }),
});

interface Parts {
  readonly name: string;
  readonly repository: string;
  readonly build: Settings['build'] & { readonly args: Readonly<Record<string, string>> };
  readonly run: Settings['run'] & { readonly env: Readonly<Record<string, string>> } & Partial<Pick<ProjectSettings['run'], 'health' | 'processes'>>;
}

function assemble({ name, repository, build, run }: Parts): Omit<Project, 'idle' | 'keep'> {
  return {
    name: parseProjectName(name), repository, host: null, cache: build.cache, environments: new Map(), stages: new Map(), publish: null, keepBuilds: 2,
    recipe: { context: build.context, dockerfile: build.dockerfile, target: build.target ?? null, args: build.args, platform: null, dependencies: {} },
    run: {
      port: run.port ?? null, readyTimeoutMs: run.readyTimeout, stopTimeoutMs: run.stopTimeout, memoryBytes: run.memory,
      cpus: run.cpus, pids: run.pids, profile: run.profile, env: run.env,
      // Left away where there are none: a release's hash is made of what stands here.
      ...(run.health === undefined ? {} : { health: run.health }),
      ...(run.processes === undefined || Object.keys(run.processes).length === 0 ? {} : { processes: run.processes }),
    },
    images: { registries: [], labels: {} }, git: { tokenFile: null, sshKey: null, knownHosts: null },
  };
}

/** `slipway serve <path-or-url>`: the one project, named after its repository. */
export function onlyProject(repository: string, settings: Settings, faults: string[]): readonly Project[] {
  const fault = repositoryFault(repository, '.');
  if (fault !== undefined) { faults.push(`there is no repository at ${resolve(repository)}`); return []; }
  const whole = absolute(repository, '.');
  const name = nameFrom(basename(whole.replace(/[/:]+$/, '').replace(/\.git$/, '').replace(/\/$/, '')));
  return [{ ...assemble({ name, repository: whole, build: { ...settings.build, args: {} }, run: { ...settings.run, env: {} } }), idle: idleOf(settings.idle), keep: [] }];
}

/** `host:path` is ssh unless such a path exists here. */
const isRemote = (repository: string, folder: string): boolean =>
  /^[a-z][a-z0-9+.-]*:\/\//i.test(repository) || (/^[^/]+:/.test(repository) && !existsSync(resolve(folder, repository)));
const absolute = (repository: string, folder: string): string => (isRemote(repository, folder) ? repository : resolve(folder, repository));
const repositoryFault = (repository: string, folder: string): string | undefined =>
  (isRemote(repository, folder) || existsSync(resolve(folder, repository)) ? undefined : `names no repository: there is nothing at ${resolve(folder, repository)}`);

function nameFrom(text: string): string {
  const name = text.split(/[/:]/).at(-1)?.toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-+/, '') ?? '';
  const reserved = name === '' || RESERVED_PREFIXES.some((prefix) => `${name}-`.startsWith(prefix));
  return `${reserved ? 'app-' : ''}${name}`.slice(0, 40).replace(/-+$/, '');
}

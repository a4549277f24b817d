import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { hostFaults } from './config/hosts.js';
import { ConfigFaults, describeIssue } from './config/faults.js';
import { readConfigFile, type ConfigFile } from './config/file.js';
import { CLIENT_VARIABLE, CONFIG_VARIABLE, gather, type Environment, type Flags } from './config/gather.js';
import { listFileSettings, listSettings } from './config/entries.js';
import { keysIn, onlyProject, readProjects } from './config/projects.js';
import { readRegistries } from './config/registries.js';
import { SERVER, type Settings } from './config/schema.js';
import type { Project } from './domain/project.js';
import type { RegistryAccount } from './domain/registry.js';

export { flagOf, listFileSettings, listSettings, type SettingEntry } from './config/entries.js';
export { ConfigFaults } from './config/faults.js';
export type { Flags } from './config/gather.js';

/** What the process runs with: settings read once, in exact units. */
export interface Config {
  readonly settings: Settings;
  readonly stateDir: string;
  readonly projects: readonly Project[];
  /** Addresses and CIDR ranges whose forwarded headers count. */
  readonly trustedProxies: readonly string[];
  /** The private registries, by host. */
  readonly registries: ReadonlyMap<string, RegistryAccount>;
  /** What whoever configured it should know, one sentence each: what does nothing in this version, what is less safe. */
  readonly notes: readonly string[];
  /** Of the surroundings: for git's children and for finding the engine. */
  readonly surroundings: { readonly path: string; readonly home: string; readonly dockerHost: string | undefined };
}

const SHARED_ORIGIN = 'routing: session puts applications and the control plane on one origin: a script of a preview can do what its visitor may do';
const DEFAULT_FILE = 'slipway.yaml';

/**
 * Reads the configuration of `slipway serve [repository]`: defaults, then the file, then `SLIPWAY_*`, then flags.
 * The file is the flag `config`, `SLIPWAY_CONFIG`, or without a repository `slipway.yaml` where the process was started.
 *
 * @throws ConfigFaults with every fault there is, unknown keys and `SLIPWAY_` variables included
 */
export function loadConfig(repository: string | undefined, flags: Flags, env: Environment = process.env): Config {
  const faults: string[] = [];
  const path = flags.config ?? nonEmpty(env[CONFIG_VARIABLE]) ?? (repository === undefined && existsSync(DEFAULT_FILE) ? DEFAULT_FILE : undefined);
  const file = path === undefined ? undefined : readConfigFile(path, faults);
  const given = gather({ flags, env, file }, faults);
  const parsed = SERVER.safeParse(given.tree, { reportInput: true });
  if (!parsed.success) faults.push(...parsed.error.issues.flatMap((issue) => describeIssue(issue, { originOf: given.originOf, keysBeside: (keys) => [...keysIn(SERVER.shape, keys), ...(keys.length === 0 ? ['projects'] : [])] })));
  // With its defaults, so that the faults of the projects are told as well.
  const settings = parsed.success ? parsed.data : SERVER.parse({});
  const projects = projectsOf({ repository, file, asked: path !== undefined }, settings, faults);
  const registries = readRegistries(file, settings, faults);
  if (parsed.success) faults.push(...doorFaults(settings), ...hostFaults(settings, projects, given.originOf));
  if (faults.length > 0) throw new ConfigFaults(faults);
  return {
    settings, projects, registries, trustedProxies: settings.trustedProxies, notes: [...notesOf(file, given.originOf), ...unpublished(projects, given.originOf), ...(settings.routing === 'session' ? [SHARED_ORIGIN] : [])],
    stateDir: resolve(settings.stateDir ?? defaultStateDir(env)),
    surroundings: { path: env.PATH ?? '/usr/local/bin:/usr/bin:/bin', home: env.HOME ?? homedir(), dockerHost: env.DOCKER_HOST },
  };
}

/** What the command line takes of its surroundings; its flags win over all of it. */
export interface ClientSettings {
  readonly server: string | undefined;
  readonly token: string | undefined;
  readonly stateDir: string | undefined;
  /** Where a server that was told nothing keeps its state. */
  readonly defaultStateDir: string;
}

/** Reads what the command line needs to find its server; nothing that it does not need can be a fault. */
export const readClientSettings = (env: Environment = process.env): ClientSettings => ({
  server: nonEmpty(env[CLIENT_VARIABLE]), token: nonEmpty(env.SLIPWAY_TOKEN), stateDir: nonEmpty(env.SLIPWAY_STATE_DIR), defaultStateDir: defaultStateDir(env),
});

const defaultStateDir = (env: Environment): string => join(nonEmpty(env.XDG_STATE_HOME) ?? join(env.HOME ?? homedir(), '.local', 'state'), 'slipway');

interface ProjectPlaces { readonly repository: string | undefined; readonly file: ConfigFile | undefined; readonly asked: boolean }

function projectsOf({ repository, file, asked }: ProjectPlaces, settings: Settings, faults: string[]): readonly Project[] {
  const before = faults.length;
  const configured = file ? readProjects(file, settings, faults) : [];
  if (repository === undefined) {
    if (configured.length === 0 && faults.length === before && !(asked && !file)) faults.push(file ? `${file.path} names no project: give projects with a repository each` : `name a repository: slipway serve <path-or-url>, or a ${DEFAULT_FILE} with projects`);
    return configured;
  }
  if (configured.length > 0) faults.push(`${file?.path ?? ''} has projects already: leave ${repository} away, or the projects`);
  return onlyProject(repository, settings, faults);
}

/** What stands in the file although it does nothing yet must not look as if it did. */
function notesOf(file: ConfigFile | undefined, originOf: (keys: readonly string[]) => string): string[] {
  if (!file) return [];
  const idle = [...listSettings(), ...listFileSettings()].filter(({ later }) => later).map(({ name }) => name.split('.'));
  const names = Object.keys((file.tree.projects ?? {}));
  const paths = idle.flatMap((keys) => (keys[1] === 'NAME' ? names.map((name) => ['projects', name, ...keys.slice(2)]) : [keys]));
  return paths.filter((keys) => isGiven(file.tree, keys)).map((keys) => `${originOf(keys)} is read, but does nothing in this version`);
}

/** It names the branch of updates that name none, and a reader may expect more. */
const unpublished = (projects: readonly Project[], originOf: (keys: readonly string[]) => string): string[] =>
  projects.filter(({ publish, stages }) => publish !== null && stages.size === 0).map(({ name }) => `${originOf(['projects', name, 'publish'])} releases nothing: ${name} has no stages`);

function isGiven(tree: unknown, keys: readonly string[]): boolean {
  let node: unknown = tree;
  for (const key of keys) node = node !== null && typeof node === 'object' && Object.hasOwn(node, key) ? (node as Record<string, unknown>)[key] : undefined;
  return node !== undefined;
}

const nonEmpty = (text: string | undefined): string | undefined => (text === '' ? undefined : text);

const LOOPBACK = /^(?:127(?:\.\d{1,3}){3}|::1|localhost)$/;

function doorFaults({ listen, token }: Settings): string[] {
  if (LOOPBACK.test(listen) || token !== undefined) return [];
  return [`listening on ${listen} lets others in: set SLIPWAY_TOKEN, or leave --listen away to stay on 127.0.0.1`];
}

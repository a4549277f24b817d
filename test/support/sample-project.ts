import { parseProjectName } from '../../src/domain/ids.js';
import type { Project } from '../../src/domain/project.js';

/** A project with the defaults of the configuration. */
export function sampleProject(name: string, settings: Partial<Project> = {}): Project {
  return {
    name: parseProjectName(name), repository: `/srv/${name}`, host: null, cache: true, environments: new Map(), stages: new Map(), publish: null, keepBuilds: 2, idle: { sleepMs: 300_000, stopMs: 1_800_000 }, keep: [],
    recipe: { context: '.', dockerfile: 'Dockerfile', target: null, args: {}, platform: null, dependencies: {} },
    run: { port: null, readyTimeoutMs: 60_000, stopTimeoutMs: 10_000, memoryBytes: 536_870_912, cpus: 1, pids: 256, profile: 'compat', env: {} },
    images: { registries: [], labels: {} }, git: { tokenFile: null, sshKey: null, knownHosts: null },
    ...settings,
  };
}

import { parseEnvironmentName } from '../../src/domain/ids.js';
import type { AllowedImages, Project } from '../../src/domain/project.js';
import type { FakePull } from './fake-registry.js';
import { startTestApp, type TestApp, type TestAppOptions } from './test-app.js';

export const REGISTRY = 'registry.example.com';
export const APP = `${REGISTRY}/team/app:v1`;

export interface ImageAppOptions extends Omit<TestAppOptions, 'registry' | 'configure'> {
  /** What the registries have, by reference; a test may change it at any time. */
  readonly images?: Map<string, FakePull>;
  /** Changes which images may run; asked at each start of the server. */
  readonly allowed?: () => AllowedImages;
}

/** A server whose only project lets images of a registry run, and has the environment `jetpack`. */
export function startImageApp({ images = new Map([[APP, {}]]), allowed = () => ({ registries: [REGISTRY], labels: {} }), ...options }: ImageAppOptions = {}): Promise<TestApp> {
  const environments: Project['environments'] = new Map([[parseEnvironmentName('jetpack'), { env: { MODE: 'jetpack' } }]]);
  return startTestApp({
    ...options,
    registry: (reference) => images.get(reference),
    configure: (config) => ({ ...config, projects: config.projects.map((project) => ({ ...project, environments, get images() { return allowed(); } })) }),
  });
}

/** The host to which `?image=` leads. */
export async function hostOf(app: TestApp, reference: string, more = ''): Promise<string> {
  const { headers: { location } } = await app.control(`/?image=${encodeURIComponent(reference)}${more}`);
  return new URL(location ?? 'http://nowhere/').hostname;
}

export const labelOf = (host: string): string => host.split('.')[0] ?? '';

/** How a private registry lets us in. */
export interface RegistryAccount {
  readonly username: string;
  /** An absolute path; what is in it may change at any time. */
  readonly passwordFile: string;
}

/** Docker's own registry, as configuration and pages call it. */
export const DOCKER_HUB = 'docker.io';
const HUB_NAMES: ReadonlySet<string> = new Set([DOCKER_HUB, 'index.docker.io', 'registry-1.docker.io']);

/** The one name of a registry: lower case, and `docker.io` for all that Docker calls its own. */
export const registryName = (host: string): string => (HUB_NAMES.has(host.toLowerCase()) ? DOCKER_HUB : host.toLowerCase());

/** The registry of an image as a Dockerfile names it; what names none is Docker's own. */
export function registryOf(image: string): string {
  const host = image.slice(0, Math.max(0, image.indexOf('/')));
  return registryName(/[.:]|^localhost$/.test(host) ? host : DOCKER_HUB);
}

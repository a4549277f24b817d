import { parseLabel } from '../domain/preview-name.js';
import { labelNames, type Project } from '../domain/project.js';
import type { Settings } from './schema.js';

/** Hosts that would mean two things: one sentence each. */
export function hostFaults({ url }: Pick<Settings, 'url'>, projects: readonly Project[]): string[] {
  const serverHost = new URL(url ?? 'http://localhost').hostname;
  const hostOf = ({ name, host }: Project) => host ?? `${name}.${serverHost}`;
  const faults: string[] = [];
  const owners = new Map<string, string>([[serverHost, 'the server itself']]);
  for (const project of projects) {
    const host = hostOf(project);
    const owner = owners.get(host);
    if (owner !== undefined && !(projects.length === 1 && host === serverHost)) faults.push(`projects.${project.name}: the host ${host} belongs to ${owner}; give it a host of its own`);
    owners.set(host, `the project ${project.name}`);
  }
  for (const project of projects) {
    for (const other of projects) {
      const below = `.${hostOf(other)}`;
      const label = hostOf(project).endsWith(below) ? hostOf(project).slice(0, -below.length) : '';
      if (label !== '' && parseLabel(label, labelNames(other))) faults.push(`projects.${project.name}: the host ${hostOf(project)} is a preview of ${other.name}; give it another one`);
    }
  }
  return faults;
}

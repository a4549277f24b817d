import { fileConfigFor, type Project, type Scope } from '../domain/project.js';
import type { RunConfig } from '../domain/release.js';
import type { SecretValues } from '../state/releases.js';
import type { SettingStore, SettingValues } from '../state/settings.js';

/** What a release made now would run with. */
export interface Configured {
  readonly config: RunConfig;
  /** The values of its secrets; of each the configuration has only the digest. */
  readonly secrets: SecretValues;
}

/** The file, then its environment or stage, then what was set for the project, then what was set for the environment or stage. */
export type ReadConfig = (project: Project, scope: Scope) => Promise<Configured>;

export function createReadConfig({ settings }: { settings: Pick<SettingStore, 'values'> }): ReadConfig {
  return async (project, scope) => {
    const whole = await settings.values(project.name, { kind: 'project' });
    const own = scope.kind === 'project' ? undefined : await settings.values(project.name, scope);
    return [whole, own].filter((values) => values !== undefined).reduce(withValues, { config: fileConfigFor(project, scope), secrets: {} });
  };
}

/** A variable is either plain or a secret: the later one wins, whichever it is. */
function withValues({ config, secrets }: Configured, { env, secrets: more }: SettingValues): Configured {
  if (Object.keys(env).length === 0 && Object.keys(more).length === 0) return { config, secrets };
  const { secrets: digests = {}, ...plain } = config;
  const allDigests = { ...without(digests, env), ...Object.fromEntries(Object.entries(more).map(([name, { digest }]) => [name, digest])) };
  const values = { ...without(secrets, env), ...Object.fromEntries(Object.entries(more).map(([name, { value }]) => [name, value])) };
  return {
    config: { ...plain, env: { ...without(plain.env, more), ...env }, ...(Object.keys(allDigests).length === 0 ? {} : { secrets: allDigests }) },
    secrets: values,
  };
}

const without = (values: Readonly<Record<string, string>>, names: Readonly<Record<string, unknown>>): Record<string, string> =>
  Object.fromEntries(Object.entries(values).filter(([name]) => !Object.hasOwn(names, name)));
